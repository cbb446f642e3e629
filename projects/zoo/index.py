"""The models of the zoo, found by name, task or method.

Everything said about a model comes from its metafile.
"""
import difflib
import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .metafile import MEASURED, read_metafile

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Entry:
    """One model of the zoo.

    Attributes:
        model: Its entry in the metafile.
        collection: Method that it belongs to, from the same file.
        root: The repository.
    """
    model: Mapping[str, Any]
    collection: Mapping[str, Any]
    root: Path

    @property
    def name(self) -> str:
        """Name of the model and of its config file."""
        return self.model['Name']

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.collection['Name']

    @property
    def config(self) -> Path:
        """Its recipe."""
        return self.root / self.model['Config']

    @property
    def task(self) -> str:
        """Folder of the recipe: pretrain, finetune, detection, ..."""
        return self.config.parent.name

    @property
    def weights(self) -> str | None:
        """Address of weights in our layout."""
        return self.model.get('Weights')

    @property
    def origin(self) -> Mapping[str, Any] | None:
        """Official weights and what is known of them."""
        return self.model.get('Converted From')

    @property
    def weights_kind(self) -> str:
        """``'ours'``, ``'official'`` or, without weights, ``''``."""
        if self.weights:
            return 'ours'
        return 'official' if self.origin else ''

    def results(self, measured: bool) -> list[Mapping]:
        """Results that were measured here, or those that were reported."""
        return [
            result for result in self.model['Results'] or ()
            if (result['Source'] in MEASURED) == measured
        ]

    def as_dict(self) -> dict[str, Any]:
        """All that is known, in plain values for JSON."""
        data = self.model['Metadata']
        return {
            'name': self.name,
            'method': self.method,
            'task': self.task,
            'config': self.model['Config'],
            'paper': dict(self.collection['Paper']),
            'parameters': data['Parameters'],
            'macs': data.get('FLOPs'),
            'metadata': dict(data),
            'results': {
                'reported': self.results(measured=False),
                'measured here': self.results(measured=True)
            },
            'weights': self.weights,
            'sha256': self.model.get('SHA256'),
            'converted from': self.origin,
            'downstream': list(self.model.get('Downstream', ()))
        }


def read_index(root: Path = ROOT) -> list[Entry]:
    """All models of ``model-index.yml``, in its order.

    Args:
        root: The repository.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a file is not as it should be; names file and field.
    """
    path = root / 'model-index.yml'
    try:
        index = yaml.safe_load(path.read_text(encoding='utf-8'))
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not YAML: {error}') from None
    files = index.get('Import') if isinstance(index, Mapping) else None
    if not isinstance(files, list):
        raise ValueError(f'{path}: Import is {files!r}, expected a list of '
                         'metafiles')
    entries: dict[str, Entry] = {}
    for name in files:
        content = read_metafile(root / name)
        for model in content['Models']:
            if model['Name'] in entries:
                raise ValueError(f'{root / name}: {model["Name"]} is in '
                                 'another metafile, too')
            entries[model['Name']] = Entry(model, content['Collections'][0],
                                           root)
    return list(entries.values())


def find(name: str, root: Path = ROOT) -> Entry:
    """The model of that name.

    Raises:
        ValueError: If there is none; suggests the nearest.
    """
    entries = {entry.name: entry for entry in read_index(root)}
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=3, cutoff=0.)
        raise ValueError(f'no model is named {name!r}; near are '
                         f'{", ".join(near)}')
    return entries[name]


def select(entries: list[Entry],
           pattern: str | None = None,
           task: str | None = None,
           method: str | None = None,
           has_weights: bool = False) -> list[Entry]:
    """The models that fit all criteria.

    Args:
        entries: Models to choose from.
        pattern: A glob pattern of names, or a part of them.
        task: Folder of the recipe.
        method: Name of a collection, upper or lower case.
        has_weights: Only models whose weights can be downloaded.

    Raises:
        ValueError: If no model at all has that task or method.
    """
    tasks = sorted({entry.task for entry in entries})
    methods = sorted({entry.method for entry in entries})
    if task is not None and task not in tasks:
        raise ValueError(f'task is {task!r}; choose from {tasks}')
    if method is not None and method.lower() not in map(str.lower, methods):
        raise ValueError(f'method is {method!r}; choose from {methods}')
    if pattern is not None and not set(pattern) & set('*?['):
        pattern = f'*{pattern}*'
    return [
        entry for entry in entries
        if (pattern is None or fnmatch.fnmatchcase(entry.name, pattern)) and (
            task is None or entry.task == task) and (
                method is None or entry.method.lower() == method.lower()) and (
                    not has_weights or entry.weights_kind)
    ]


def list_models(pattern: str | None = None,
                task: str | None = None,
                method: str | None = None,
                has_weights: bool = False) -> list[str]:
    """Names of the zoo's models; see :func:`select`."""
    return [
        entry.name
        for entry in select(read_index(), pattern, task, method, has_weights)
    ]
