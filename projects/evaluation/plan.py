"""The evaluations of a checkpoint: configs, folders and commands."""
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from projects.demo.job import (SHAPES, Job, move_data, read_config, shorten,
                               use_shapes)
from projects.demo.plan import QUICK_TRAINING
from projects.demo.steps import Step
from projects.engine.data_check import missing_data

from .recipes import LADDER

DATA = 'data'  # where the configs expect all data sets
EMBEDDED = 'shapes'  # the user's word for the embedded data


@dataclass(frozen=True)
class Settings:
    """What results depend on, besides the recipes.

    Attributes:
        checkpoint: Path or address of the pretrained weights.
        sha256: Of the file; '' for an address.
        data: ``shapes``, or the folder in place of ``data``; None for what
            the recipes name.
        quick: Few images and iterations.
        seed: In place of the recipes'.
        options: Changes of all configs, as ``--cfg-options`` takes them.
    """
    checkpoint: str
    sha256: str
    data: str | None = None
    quick: bool = False
    seed: int | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """A step of the ladder, ready to run.

    Attributes:
        rung: Its name, a key of ``LADDER``.
        recipe: The config that it is made from.
        job: Its config and folder.
        step: Its command.
    """
    rung: str
    recipe: Path
    job: Job
    step: Step

    def describe(self) -> str:
        """What was run, for the table."""
        if self.rung != 'knn':
            return self.job.describe()
        loop = self.job.cfg.test_cfg
        return f'k {loop.k}, temperature {loop.temperature}'


def plan(settings: Settings,
         recipes: Mapping[str, Path],
         out: Path,
         processes: int = 1,
         *train_args: str) -> list[Evaluation]:
    """What to run; nothing is written yet.

    Args:
        settings: The user's.
        recipes: Configs by the steps of the ladder, in order.
        out: Folder of the results.
        processes: Of each evaluation.
        train_args: More arguments of ``tools/train.py``.

    Raises:
        ValueError: If a recipe cannot start from a checkpoint, or the
            embedded data is asked for and is not what it reads.
        FileNotFoundError: If data is missing.
    """
    jobs = {
        rung: _job(settings, rung, recipe, out)
        for rung, recipe in recipes.items()
    }
    for rung, job in jobs.items():
        if not embedded(settings, read_config(str(recipes[rung]))):
            _check_data(rung, job.cfg)
    return [
        Evaluation(rung, recipes[rung], job,
                   _step(settings, rung, job, processes, train_args))
        for rung, job in jobs.items()
    ]


def write_configs(evaluations: Iterable[Evaluation]) -> None:
    """Write the configs that the commands name."""
    for item in evaluations:
        item.job.config.parent.mkdir(parents=True, exist_ok=True)
        item.job.cfg.dump(item.job.config)


def embedded(settings: Settings, cfg: Config) -> bool:
    """Whether a recipe is to read the embedded data.

    Raises:
        ValueError: If it is asked for and is not what the recipe reads.
    """
    if settings.data not in (None, EMBEDDED):
        return False
    reads_shapes = part_of(cfg) is not None
    if settings.data == EMBEDDED and not reads_shapes:
        raise ValueError(
            f'--data {EMBEDDED}: {Path(cfg.filename).name} is a recipe for '
            'other data; the embedded shapes are for pretrainings of the '
            'demonstration, such as the one of make demo')
    return reads_shapes


def part_of(cfg: Config) -> str | None:
    """Part of the embedded data that a recipe reads, such as ``cls``."""
    folder = Path(cfg.train_dataloader.dataset.get('data_root') or '')
    return folder.name if folder.parent == Path(SHAPES) else None


def _job(settings: Settings, rung: str, recipe: Path, out: Path) -> Job:
    """The config of an evaluation, in its folder."""
    cfg = read_config(str(recipe))
    if embedded(settings, cfg):
        use_shapes(cfg, out / EMBEDDED)
    elif settings.quick:
        raise ValueError(f'--quick: {recipe.stem} is a recipe for other data '
                         'than the embedded shapes')
    elif settings.data is not None:
        move_data(cfg, DATA, Path(settings.data))
    changes: dict[str, Any] = {}
    if rung != 'knn':
        init_cfg = cfg.model.get('backbone', {}).get('init_cfg') or {}
        if init_cfg.get('type') != 'Pretrained':
            raise ValueError(
                f'{rung}: {recipe} cannot start from a checkpoint: its '
                'model.backbone.init_cfg is not of type Pretrained')
        changes['model.backbone.init_cfg.checkpoint'] = settings.checkpoint
        if settings.quick:
            shorten(cfg, QUICK_TRAINING)
    if settings.seed is not None:
        changes['randomness.seed'] = settings.seed
    cfg.merge_from_dict(changes)
    return Job(recipe.stem, cfg, out)


def _step(settings: Settings, rung: str, job: Job, processes: int,
          train_args: Sequence[str]) -> Step:
    """The command of an evaluation."""
    title = f'{LADDER[rung].title}: {job.name}'
    if job.cfg.train_cfg.get('type') == 'FrozenFeatureTrainLoop':
        processes = 1  # it knows no more
    if rung == 'knn':
        return job.test_step(
            'knn',
            title,
            *settings.options,
            checkpoint=settings.checkpoint,
            processes=processes)
    options = ('--cfg-options', *settings.options) if settings.options else ()
    return job.train_step(title, *train_args, *options, processes=processes)


def _check_data(rung: str, cfg: Config) -> None:
    """Find out before hours of work that data is missing."""
    for field, dataset in _datasets(rung, cfg):
        problem = missing_data(dataset, field)
        if problem is not None:
            raise type(problem)(f'{rung}, {Path(cfg.filename).stem}: {problem}'
                                f', or by --data if all of {DATA}/ is there')


def _datasets(rung: str, cfg: Config) -> Iterator[tuple[str, Any]]:
    """The data sets that an evaluation reads, with their fields."""
    if rung == 'knn':
        loaders = {
            'test_cfg.bank_dataloader': cfg.test_cfg.get('bank_dataloader'),
            'test_dataloader': cfg.test_dataloader
        }
    else:
        loaders = {
            name: cfg.get(name)
            for name in ('train_dataloader', 'val_dataloader')
        }
    for name, loader in loaders.items():
        if loader is not None:
            yield f'{name}.dataset', loader.dataset
