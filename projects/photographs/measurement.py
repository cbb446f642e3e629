"""What is measured with one seed, on data sets that lie in one folder."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from projects.demo.evaluation import INIT
from projects.demo.job import Job, move_data, shorten
from projects.demo.plan import Demo, Settings
from projects.demo.report import Metric
from projects.demo.steps import Step

TOKEN = 'model.backbone.token_mode'
QUICK_PER_CLASS = 26  # labels of a quick measurement: 256 make a batch
DATA = 'data'  # where the configs expect the data sets


class Measurement(Demo):
    """A demonstration whose trainings read photographs.

    Every training has a name of its own, and what several ladders start from
    is pretrained once.

    Args:
        settings: The user's; ``data`` is the folder of the data sets.
        out: Folder of the results.
        source: Whose pretrainings are evaluated; its own if None.
    """

    def __init__(self,
                 settings: Settings,
                 out: Path,
                 source: 'Measurement | None' = None) -> None:
        super().__init__(settings, out, None)
        self.source = source
        self.pretrainings: dict[str, Job] = {}

    def use_data(self, cfg: Config) -> None:
        """Let a config read the folder of the data sets."""
        assert self.settings.data is not None
        move_data(cfg, DATA, Path(self.settings.data))
        if self.settings.quick:
            use_few_labels(cfg)
            cfg.default_hooks.logger.interval = 1  # curves of few iterations

    def train(self,
              name: str,
              config: str,
              title: str,
              changes: Mapping[str, Any] | None = None) -> tuple[Job, Step]:
        """Add a training.

        Args:
            name: Unique.
            config: Path below ``configs/``.
            title: What it does, for the user.
            changes: Of the config, as ``Config.merge_from_dict`` takes them.
        """
        job = self.job(name, config, changes)
        return job, self.step(job.train_step(title))

    def pretrain_once(self,
                      what: str,
                      name: str,
                      config: str,
                      changes: Mapping[str, Any] | None = None,
                      length: int | None = None) -> Job:
        """Add a pretraining and its row, or take one of ``source``.

        Args:
            what: The data set or study, for the table.
            name: Unique.
            config: Path below ``configs/``.
            changes: Of the config, as ``Config.merge_from_dict`` takes them.
            length: Iterations; those of the config if None.
        """
        if self.source is not None:
            return self.source.pretrain_once(what, name, config, changes,
                                             length)
        if name in self.pretrainings:  # another ladder's
            return self.pretrainings[name]
        job = self.job(name, config, changes)
        if length is not None and not self.settings.quick:
            shorten(job.cfg, length)
            job.cfg.dump(job.config)
        step = self.step(job.train_step(f'Pretrain {name}'))
        self.row(f'{what}, pretraining', name, step, job.describe())
        self.pretrainings[name] = job
        return job

    def evaluate(self,
                 task: str,
                 config: str,
                 what: str,
                 starts: Mapping[str, Job | None],
                 *metrics: Metric,
                 token: bool = False) -> dict[str, Job]:
        """Train a config from several weights, a row of the table each.

        Args:
            task: Begins the names of the trainings.
            config: Path below ``configs/``, of a model that starts from a
                pretraining.
            what: The evaluation, for the table.
            starts: Pretrainings by the name of their weights; None for
                random weights.
            metrics: For the table.
            token: Whether the backbone's instance token is that of the
                pretraining.

        Returns:
            The trainings by the name of the weights.
        """
        jobs = {}
        for weights, pretraining in starts.items():
            change: dict[str, Any] = {
                INIT: None
            } if pretraining is None else {
                f'{INIT}.checkpoint': str(pretraining.checkpoint)
            }
            if pretraining is not None and token:
                mode = pretraining.cfg.model.backbone.get('token_mode')
                change.update({TOKEN: mode} if mode else {})
            jobs[weights], step = self.train(f'{task}-{weights}', config,
                                             f'{what} from {weights} weights',
                                             change)
            self.row(what, weights, step, jobs[weights].describe(), *metrics)
        return jobs

    def knn(self, jobs: Mapping[str, Job], what: str, metric: Metric) -> None:
        """Classify by kNN on the frozen features of linear probes."""
        for weights, job in jobs.items():
            step = self.step(
                job.test_step('knn', f'{what} with {weights} weights',
                              'test_cfg.type=KNNTestLoop', 'test_cfg.k=20'))
            self.row(what, weights, step, 'k 20', metric)


def use_few_labels(node: Any) -> None:
    """Let the data sets below ``node`` use labels of a few images."""
    for key, value in list(node.items()):
        if isinstance(value, Mapping):
            use_few_labels(value)
        elif key == 'per_class' and value is not None:
            node[key] = QUICK_PER_CLASS
