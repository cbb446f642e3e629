"""A training of the demonstration: its config, files and commands."""
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .data import ImageList
from .steps import REPOSITORY, Step

SHAPES = 'data/shapes'  # where the configs expect the embedded data


@dataclass(frozen=True)
class Job:
    """A training of the demonstration.

    Attributes:
        name: For example ``linear-random``.
        cfg: Its config, complete.
        out: Folder of the demonstration.
    """
    name: str
    cfg: Config
    out: Path

    @property
    def config(self) -> Path:
        """The config as a file."""
        return self.out / 'configs' / f'{self.name}.py'

    @property
    def work_dir(self) -> Path:
        """Folder of its logs and checkpoints."""
        return self.out / self.name

    @property
    def checkpoint(self) -> Path:
        """What it ends with."""
        return self.work_dir / f'iter_{self.cfg.train_cfg.max_iters}.pth'

    def train_step(self, title: str, *args: str) -> Step:
        """The step that trains, and validates at the end."""
        return Step(
            self.name,
            title,
            'train.py', (str(self.config), *args),
            work_dir=self.work_dir,
            results=self.work_dir)

    def test_step(self, name: str, title: str, *options: str) -> Step:
        """A step that tests what was trained.

        Args:
            name: Unique among the tests of this training.
            title: What it does, for the user.
            options: Changes of the config, as ``--cfg-options`` takes them.
        """
        results = self.work_dir / f'{name}.json'
        changes = ('--cfg-options', *options) if options else ()
        return Step(
            f'{self.name}-{name}',
            title,
            'test.py',
            (str(self.config), str(self.checkpoint), '--work-dir',
             str(self.work_dir / name), '--out', str(results), *changes),
            results=results)

    def describe(self) -> str:
        """Length, batch size and learning rate."""
        cfg = self.cfg
        size = ('all' if cfg.train_cfg.get('type') == 'FrozenFeatureTrainLoop'
                else cfg.train_dataloader.batch_size)
        kind = cfg.train_dataloader.dataset.type
        samples = 'clips' if kind == 'ListedVideos' else 'images'
        return (f'{cfg.train_cfg.max_iters} x {size} {samples}, learning rate '
                f'{cfg.optim_wrapper.optimizer.lr:g}')


def use_images(cfg: Config, images: ImageList, lists: Path) -> None:
    """Let a config read listed images.

    Args:
        cfg: A config of mmpretrain's ``CustomDataset``.
        images: The images.
        lists: Folder with their lists, ``train.txt`` and ``val.txt``.
    """
    changes: dict[str, Any] = {}
    for part, split in dict(train='train', val='val', test='val').items():
        dataset = f'{part}_dataloader.dataset'
        changes[f'{dataset}.data_root'] = str(images.root)
        changes[f'{dataset}.data_prefix'] = ''
        changes[f'{dataset}.ann_file'] = str(lists / f'{split}.txt')
        loop = cfg.get(f'{part}_cfg')
        if 'k' in loop:  # kNN: no more neighbours than there are images
            changes[f'{part}_cfg.k'] = min(loop.k, len(images.train))
    if not images.classes:
        changes['train_dataloader.dataset.with_label'] = False
    cfg.merge_from_dict(changes)


def use_shapes(cfg: Config, folder: Path) -> None:
    """Let a config read the embedded data in ``folder``."""
    move_data(cfg, SHAPES, folder)


def move_data(cfg: Config, place: str, folder: Path) -> None:
    """Let a config read from ``folder`` what it reads from ``place``.

    Args:
        cfg: Any config.
        place: Folder in its paths, for example ``data/shapes``.
        folder: Where it is.
    """

    def moved(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: moved(value) for key, value in node.items()}
        if isinstance(node, (list, tuple)):
            return type(node)(moved(value) for value in node)
        if isinstance(node, str) and f'{node}/'.startswith(f'{place}/'):
            return str(folder) + node.removeprefix(place)
        return node

    cfg.merge_from_dict(moved(cfg.to_dict()))


def shorten(cfg: Config, length: int) -> None:
    """Train and schedule for ``length`` iterations; validate at the end."""
    factor = length / cfg.train_cfg.max_iters
    for scheduler in cfg.param_scheduler:
        begin = math.floor(factor * scheduler.get('begin', 0))
        scheduler.begin = begin
        if 'end' in scheduler:
            scheduler.end = max(begin + 1, math.ceil(factor * scheduler.end))
        if 'milestones' in scheduler:
            scheduler.milestones = [
                math.ceil(factor * step) for step in scheduler.milestones
            ]
    cfg.train_cfg.update(max_iters=length, val_interval=length)


def read_config(name: str) -> Config:
    """A config below ``configs/``, without importing what it names."""
    return Config.fromfile(
        REPOSITORY / 'configs' / name, import_custom_modules=False)
