"""Read ``metafile.yml``: the one place for the zoo's numbers and addresses.

The layout is OpenMMLab's model index. Some fields are stricter or ours:
every entry of ``Results`` has a ``Source``, and may say the ``Table`` of the
README that it belongs to and the ``Setting`` that differs from the config;
``Converted From`` says the licence of the weights and what the file contains;
a model is named after its config file.
"""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

SOURCES = (
    'reported by the paper',
    'reported by the authors',  # outside the paper, for example in a README
    'measured here, converted weights',
    'measured here, trained here',
)
CONTENTS = ('encoder', 'full', 'classifier', 'detector', 'segmentor')

_COLLECTION = {
    'Name': str,
    'Metadata': Mapping,
    'Paper': Mapping,
    'README': str,
    'Code': Mapping
}
_MODEL = {
    'Name': str,
    'In Collection': str,
    'Config': str,
    'Metadata': Mapping,
    'Results': (list, type(None))
}
_METADATA = {'Batch Size': int, 'Parameters': int, 'Training Data': str}
_RESULT = {'Task': str, 'Dataset': str, 'Metrics': Mapping, 'Source': str}
_RESULT_OPTIONS = {'Table': str, 'Setting': str}
_CONVERTED = {'Weights': str, 'Code': str, 'License': str, 'Content': str}


def read_metafile(path: Path) -> dict[str, Any]:
    """Read and check a metafile.

    Args:
        path: The file; configs are named from the repository, two folders
            above the metafile's.

    Returns:
        Its content, with the keys ``Collections`` and ``Models``.

    Raises:
        ValueError: If it is not YAML, or a field is missing, of another type
            or contradicts another; names file and field.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not YAML: {error}') from None
    try:
        _check(content, path.parents[2])
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    return content


def _check(content: Any, root: Path) -> None:
    _fields(content, 'file', {'Collections': list, 'Models': list})
    if len(content['Collections']) != 1:
        raise ValueError(f'Collections has {len(content["Collections"])} '
                         'entries; a metafile has one')
    collection = content['Collections'][0]
    _fields(collection, 'Collections.0', _COLLECTION)
    _fields(collection['Paper'], 'Paper', {'Title': str, 'URL': str})
    _is_file(root, collection['README'], 'README')
    names = set()
    for number, model in enumerate(content['Models']):
        _fields(model, f'Models.{number}', _MODEL)
        name = model['Name']
        if name in names:
            raise ValueError(f'{name} is there twice')
        names.add(name)
        if model['In Collection'] != collection['Name']:
            raise ValueError(f'{name}: In Collection is '
                             f'{model["In Collection"]!r}, expected '
                             f'{collection["Name"]!r}')
        _check_model(model, root)
    for model in content['Models']:
        for target in model.get('Downstream', ()):
            if target not in names:
                raise ValueError(f'{model["Name"]}: Downstream names '
                                 f'{target}, which is not in the file')


def _check_model(model: Mapping, root: Path) -> None:
    name = model['Name']
    _is_file(root, model['Config'], f'{name}: Config')
    if Path(model['Config']).stem != name:
        raise ValueError(f'{name}: Config is {model["Config"]}; a model is '
                         'named after its config file')
    _fields(model['Metadata'], f'{name}: Metadata', _METADATA)
    for result in model['Results'] or ():
        _fields(result, f'{name}: Results', _RESULT)
        options = {
            field: kind
            for field, kind in _RESULT_OPTIONS.items() if field in result
        }
        _fields(result, f'{name}: Results', options)
        _one_of(result['Source'], SOURCES, f'{name}: Results.Source')
    if 'Converted From' in model:
        origin = model['Converted From']
        _fields(origin, f'{name}: Converted From', _CONVERTED)
        _one_of(origin['Content'], CONTENTS, f'{name}: Content')


def _fields(node: Any, where: str, expected: Mapping[str, Any]) -> None:
    """Check that a mapping has the expected fields."""
    if not isinstance(node, Mapping):
        raise ValueError(f'{where} is {node!r}, expected a mapping')
    for field, kind in expected.items():
        if field not in node:
            raise ValueError(f'{where}: {field} is missing')
        if not isinstance(node[field], kind):
            raise ValueError(f'{where}: {field} is {node[field]!r}, which is '
                             'of the wrong type')


def _one_of(value: str, choices: tuple[str, ...], where: str) -> None:
    if value not in choices:
        raise ValueError(f'{where} is {value!r}; choose from {list(choices)}')


def _is_file(root: Path, name: str, where: str) -> None:
    if not (root / name).is_file():
        raise ValueError(f'{where}: {name} does not exist in {root}')
