"""Evaluations that several methods share: pretrained against random."""
from collections.abc import Mapping
from typing import Any

from .job import Job
from .plan import Demo
from .report import TOP1

INIT = 'model.backbone.init_cfg'


def starts(pretrain: Job) -> dict[str, dict[str, Any]]:
    """Changes of a config by what its backbone starts from."""
    return dict(
        random={INIT: None},
        pretrained={f'{INIT}.checkpoint': str(pretrain.checkpoint)})


def probe(demo: Demo,
          pretrain: Job,
          config: str,
          features: str = '') -> list[Job]:
    """kNN classification and a linear probe on the frozen backbone.

    Args:
        demo: Of images with classes.
        pretrain: The pretraining; ``test_cfg.k`` of its config is used.
        config: A linear classifier on the frozen backbone.
        features: Their name, for a method with several kinds of them.

    Returns:
        The trainings of the linear classifier.
    """
    loop = pretrain.cfg.test_cfg
    name = f'linear-{features}' if features else 'linear'
    kind = f', {features}' if features else ''
    jobs, trained = {}, {}
    for weights, start in starts(pretrain).items():
        jobs[weights] = classifier(demo, f'{name}-{weights}', config, start)
        trained[weights] = demo.step(jobs[weights].train_step(
            f'Train a linear probe on {weights} weights{kind}'))
    for weights, job in jobs.items():
        step = demo.step(
            job.test_step('knn',
                          f'Classify by kNN with {weights} weights{kind}',
                          'test_cfg.type=KNNTestLoop', f'test_cfg.k={loop.k}'))
        demo.row(f'kNN{kind}', weights, step,
                 f'k {loop.k}, temperature {loop.temperature}', TOP1)
    for weights, job in jobs.items():
        demo.row(f'linear probe{kind}', weights, trained[weights],
                 job.describe(), TOP1)
    return list(jobs.values())


def finetune(demo: Demo, pretrain: Job, config: str) -> list[Job]:
    """Fine-tuning of a classifier, from end to end.

    Args:
        demo: Of images with classes.
        pretrain: The pretraining.
        config: A classifier.

    Returns:
        The trainings.
    """
    jobs = []
    for weights, start in starts(pretrain).items():
        job = classifier(demo, f'finetune-{weights}', config, start)
        step = demo.step(job.train_step(f'Fine-tune from {weights} weights'))
        demo.row('fine-tuning', weights, step, job.describe(), TOP1)
        jobs.append(job)
    return jobs


def classifier(demo: Demo, name: str, config: str,
               changes: Mapping[str, Any]) -> Job:
    """Training of a classifier of the demonstration's classes."""
    return demo.job(name, config, {
        **changes, 'model.head.num_classes': len(demo.classes)
    })
