"""The ladders: what is pretrained, and what is evaluated from it.

Every evaluation also starts from random weights, with the same budget.
"""
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from projects.demo.job import Job, read_config
from projects.demo.report import MIOU, TOP1

from . import studies
from .measurement import Measurement

CONVMAE, EXTREMA = 'convmae/photographs/', 'extrema/photographs/'


@dataclass(frozen=True)
class Recipes:
    """Configs of one size, below ``configs/``."""
    convmae: str
    linear: str
    finetune: str
    camvid: str
    upernet: str
    extrema: str
    extrema_linear: str
    extrema_finetune: str


SIZES = dict(
    cpu=Recipes(
        convmae=CONVMAE + 'convmae_tiny_1xb64-coslr-4k_cifar10-64px.py',
        linear=CONVMAE + 'convvit-tiny_convmae-pre_1xb100-linear-coslr-1k_'
        'cifar10-64px.py',
        finetune=CONVMAE + 'convvit-tiny_convmae-pre_1xb64-coslr-800_'
        'cifar10-64px.py',
        camvid=CONVMAE + 'convmae_tiny_1xb32-coslr-2k_camvid-128px.py',
        upernet=CONVMAE + 'convvit-tiny_upernet_1xb8-1k_camvid-128x128.py',
        extrema=EXTREMA + 'extrema_tiny-mask08x5_1xb64-coslr-2k_'
        'cifar10-64px.py',
        extrema_linear=EXTREMA + 'vit-tiny_extrema-pre_1xb100-linear-coslr-1k_'
        'cifar10-64px.py',
        extrema_finetune=EXTREMA + 'vit-tiny_extrema-pre_1xb64-coslr-800_'
        'cifar10-64px.py'),
    gpu=Recipes(
        convmae=CONVMAE + 'convmae_small_1xb256-amp-coslr-6k_'
        'cifar10-128px.py',
        linear=CONVMAE + 'convvit-small_convmae-pre_1xb256-amp-linear-coslr-'
        '1k_cifar10-128px.py',
        finetune=CONVMAE + 'convvit-small_convmae-pre_1xb128-amp-coslr-2k_'
        'cifar10-128px.py',
        camvid=CONVMAE + 'convmae_small_1xb128-amp-coslr-6k_camvid-192px.py',
        upernet=CONVMAE + 'convvit-small_upernet_1xb16-amp-3k_'
        'camvid-192x192.py',
        extrema=EXTREMA + 'extrema_small-mask08x5_1xb256-amp-coslr-6k_'
        'cifar10-128px.py',
        extrema_linear=EXTREMA + 'vit-small_extrema-pre_1xb256-amp-linear-'
        'coslr-1k_cifar10-128px.py',
        extrema_finetune=EXTREMA + 'vit-small_extrema-pre_1xb128-amp-coslr-2k_'
        'cifar10-128px.py'),
)


def cifar10(run: Measurement, recipes: Recipes) -> None:
    """ConvMAE on CIFAR-10: kNN, linear probe, fine-tuning."""
    job = run.pretrain_once('CIFAR-10', 'convmae-cifar10', recipes.convmae)
    run.draw_curves('convmae-cifar10', [job], 'loss', 'accuracy/top1')
    classify(run, 'cifar10', 'CIFAR-10, ConvViT', recipes.linear,
             recipes.finetune, dict(random=None, convmae=job))


def extrema(run: Measurement, recipes: Recipes) -> None:
    """ExtreMA on CIFAR-10: kNN, linear probe, fine-tuning."""
    job = run.pretrain_once('CIFAR-10', 'extrema-cifar10', recipes.extrema)
    run.draw_curves('extrema-cifar10', [job], 'loss', 'accuracy/top1')
    classify(run, 'vit-cifar10', 'CIFAR-10, ViT', recipes.extrema_linear,
             recipes.extrema_finetune, dict(random=None, extrema=job))


def camvid(run: Measurement, recipes: Recipes) -> None:
    """UperNet on CamVid after pretraining there and on CIFAR-10."""
    here = run.pretrain_once('CamVid', 'convmae-camvid', recipes.camvid)
    there = run.pretrain_once('CIFAR-10', 'convmae-cifar10', recipes.convmae)
    run.draw_curves('convmae-camvid', [here], 'loss')
    jobs = run.evaluate('camvid-upernet', recipes.upernet, 'CamVid, UperNet',
                        dict(random=None, cifar10=there, camvid=here), MIOU)
    run.draw_curves('camvid-upernet', list(jobs.values()), 'loss')


def convmae_studies(run: Measurement, recipes: Recipes) -> None:
    """What the paper compares, by kNN, linear probe and fine-tuning."""
    batch_size = read_config(recipes.convmae).train_dataloader.batch_size
    study(run, 'ConvMAE studies', studies.convmae(batch_size), recipes.convmae,
          recipes.linear, recipes.finetune)


def extrema_studies(run: Measurement, recipes: Recipes) -> None:
    """Masks and instance tokens, by kNN, linear probe and fine-tuning."""
    study(run, 'ExtreMA studies', studies.EXTREMA, recipes.extrema,
          recipes.extrema_linear, recipes.extrema_finetune)


def classify(run: Measurement, task: str, what: str, linear: str,
             finetune: str, starts: Mapping[str, Job | None]) -> None:
    """Linear probe, kNN and fine-tuning from each of the weights."""
    probes = run.evaluate(
        f'{task}-linear',
        linear,
        f'{what}, linear probe',
        starts,
        TOP1,
        token=True)
    run.knn(probes, f'{what}, kNN', TOP1)
    tuned = run.evaluate(f'{task}-finetune', finetune, f'{what}, fine-tuning',
                         starts, TOP1)
    run.draw_curves(f'{task}-finetune', list(tuned.values()), 'loss')


def study(run: Measurement, what: str, variants: studies.Variants, config: str,
          linear: str, finetune: str) -> None:
    """Pretrain variants of a config, shortened, and evaluate each."""
    length = studies.LENGTH[run.settings.method]
    starts: dict[str, Job | None] = dict(random=None)
    for name, changes in variants.items():
        longer = studies.LONGER.get(name, 1)
        starts[name] = run.pretrain_once(what, f'study-{name}', config,
                                         changes, round(length * longer))
    classify(run,
             what.replace(' ', '-').lower(), what, linear, finetune, starts)


LADDERS: dict[str, Callable[[Measurement, Recipes], None]] = {
    'cifar10': cifar10,
    'camvid': camvid,
    'extrema': extrema,
    'convmae-studies': convmae_studies,
    'extrema-studies': extrema_studies,
}
# Data sets of each.
FOLDERS: dict[str, tuple[str, ...]] = {
    **{
        name: ('cifar10_jpeg', )
        for name in LADDERS
    }, 'camvid': ('cifar10_jpeg', 'camvid')
}
