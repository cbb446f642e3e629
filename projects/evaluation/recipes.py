"""The recipes that evaluate a pretraining, found in the zoo.

What starts from a pretraining is said by ``Downstream`` of the metafiles and,
for recipes outside of the zoo's records such as demonstrations, by the
checkpoint in their ``init_cfg``.
"""
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from projects import zoo
from projects.demo.job import read_config


class Rung(NamedTuple):
    """A step of the ladder.

    Attributes:
        title: For the user.
        task: As metafiles say it.
        summary: Its name among the results of the pretraining.
    """
    title: str
    task: str
    summary: str


CLASSIFICATION = 'Image Classification'
# In order of their cost.
LADDER = {
    'knn': Rung('kNN', CLASSIFICATION, 'kNN'),
    'linear': Rung('linear probe', CLASSIFICATION, 'Linear Probe'),
    'low-shot': Rung('low-shot', CLASSIFICATION, 'Low-shot'),
    'finetune': Rung('fine-tuning', CLASSIFICATION, 'Fine-tuned'),
    'detection': Rung('detection', 'Object Detection', 'Mask R-CNN'),
    'segmentation': Rung('segmentation', 'Semantic Segmentation', 'UperNet'),
}


def rung_of(cfg: Config) -> str | None:
    """The step of the ladder that a downstream recipe is, if any."""
    scope, model = cfg.get('default_scope'), cfg.model
    if scope in ('mmdet', 'mmseg'):
        return 'detection' if scope == 'mmdet' else 'segmentation'
    if model.type != 'ImageClassifier':
        return None
    if cfg.train_dataloader.dataset.type == 'LowShotDataset':
        return 'low-shot'
    return 'linear' if model.backbone.get('frozen_stages') else 'finetune'


def has_knn(cfg: Config) -> bool:
    """Whether a pretraining config classifies by kNN when it is tested."""
    return (cfg.get('test_cfg') or {}).get('type') == 'KNNTestLoop'


def start_of(cfg: Config) -> str:
    """Name of the pretraining that a recipe starts from; '' if none."""
    init_cfg = cfg.model.get('backbone', {}).get('init_cfg') or {}
    return Path(init_cfg.get('checkpoint', '')).parent.name


def encoder_of(model: Mapping[str, Any]) -> str:
    """What two pretrainings have in common whose weights fit one recipe."""

    def bare(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {
                key: bare(value)
                for key, value in node.items()
                if key not in ('_scope_', 'init_cfg')
            }
        if isinstance(node, (list, tuple)):
            return [bare(value) for value in node]
        return node

    return json.dumps([model['type'], bare(model['backbone'])], sort_keys=True)


@functools.cache
def read(path: Path) -> Config:
    """A config, read once; not to be changed."""
    return read_config(str(path))


@functools.cache
def _entries() -> dict[str, zoo.Entry]:
    """The zoo's records by name."""
    return {entry.name: entry for entry in zoo.read_index()}


@functools.cache
def _unlisted(folder: Path) -> tuple[Path, ...]:
    """Configs of a method that are not in the zoo's records."""
    return tuple(
        path for path in sorted(folder.rglob('*.py'))
        if '_base_' not in path.parts and path.stem not in _entries())


def _folders(path: Path | None = None) -> list[Path]:
    """Folders of the methods: that of a config in one of them, or all."""
    root = zoo.ROOT / 'configs'
    if path is not None and path.is_relative_to(root):
        return [root / path.relative_to(root).parts[0]]
    return sorted(folder for folder in root.iterdir() if folder.is_dir())


def pretrainings(path: Path | None = None) -> Iterator[Path]:
    """Configs of everything that some recipe starts from.

    Args:
        path: A config, to find those of its method only.
    """
    folders = _folders(path)
    yield from (
        entry.config for entry in _entries().values()
        if entry.task == 'pretrain' and entry.config.parents[1] in folders)
    for folder in folders:
        files = _unlisted(folder)
        starts = {start_of(read(file)) for file in files}
        yield from (file for file in files if file.stem in starts)


def with_encoder(encoder: str, path: Path | None = None) -> Iterator[Path]:
    """Of the :func:`pretrainings` those of an encoder; see `encoder_of`."""
    return (file for file in pretrainings(path)
            if encoder_of(read(file).model) == encoder)


def downstream(path: Path) -> Iterator[Path]:
    """Recipes that start from a pretraining of the zoo."""
    entry = _entries().get(path.stem)
    if entry is not None:
        yield from (_entries()[name].config
                    for name in entry.model.get('Downstream', ()))
    for folder in _folders(path):
        yield from (other for other in _unlisted(folder)
                    if start_of(read(other)) == path.stem)


def _shares_data(path: Path) -> Callable[[Path], bool]:
    """Whether another pretraining's recipes may be on the data of ``path``.

    Folders of unlisted configs (demonstrations, photographs) have their own.
    """
    inside = path.is_relative_to(zoo.ROOT / 'configs')
    return lambda other: (not inside or other.stem in _entries() or other.
                          parent == path.parent)


def find_ladder(path: Path) -> dict[str, list[Path]]:
    """The recipes that evaluate a pretraining.

    Args:
        path: Its config; of the zoo or not.

    Returns:
        Recipes by the steps of the ladder, in its order. The first of a step
        is the one to choose: those that start from this very pretraining come
        before those that start from another one of the same encoder.

    Raises:
        ValueError: If it is no config of a model with a backbone.
    """
    if 'backbone' not in read(path).get('model', {}):
        raise ValueError(f'{path} has no model.backbone; expected is the '
                         'config of a pretraining')
    found: dict[str, list[Path]] = {step: [] for step in LADDER}
    if has_knn(read(path)):
        found['knn'].append(path)
    siblings = with_encoder(encoder_of(read(path).model), path)
    for pretraining in (path, *filter(_shares_data(path), siblings)):
        for recipe in downstream(pretraining):
            step = rung_of(read(recipe))
            if step is not None and recipe not in found[step]:
                found[step].append(recipe)
    return {step: recipes for step, recipes in found.items() if recipes}


def dataset_of(path: Path, cfg: Config) -> str:
    """Name of the data that a recipe is tested on, as metafiles say it."""
    entry = _entries().get(path.stem)
    if entry is None:
        return Path(cfg.train_dataloader.dataset.data_root).as_posix()
    results = entry.model['Results'] or [{}]
    return results[0].get('Dataset', entry.model['Metadata']['Training Data'])
