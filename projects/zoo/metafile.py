"""Read ``metafile.yml``: the one place for the zoo's numbers and addresses.

The layout is OpenMMLab's model index. Some fields are stricter or ours:

- Every entry of ``Results`` has a ``Source``, so that reported and measured
  numbers are told apart, and may say the ``Table`` of the README that it
  belongs to and the ``Setting`` that differs from the config.
- ``Converted From`` says the ``License`` of the weights, the ``Content`` of
  the file (encoder, full, ...), for pretrained weights the ``Target`` that
  was reconstructed, and the ``Format``, a kind of
  ``tools/convert_checkpoint.py``.
- ``SHA256`` stands beside an address of weights if it is known.
- ``FLOPs`` are multiply-accumulates, ``Parameters`` and they as
  ``tools/analysis/complexity.py`` counts them.
- A model is named after its config file.
"""
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

REPORTED = (
    'reported by the paper',
    'reported by the authors',  # outside the paper, for example in a README
)
MEASURED = (
    'measured here, converted weights',
    'measured here, trained here',
)
SOURCES = REPORTED + MEASURED
PRETRAINED = ('encoder', 'full')
CONTENTS = (*PRETRAINED, 'classifier', 'detector', 'segmentor')

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
# fields that may be left out but not be something else
_MODEL_OPTIONS = {'Weights': str, 'SHA256': str, 'Downstream': list}
_METADATA_OPTIONS = {'FLOPs': int, 'Epochs': int, 'Iterations': int}
_CONVERTED_OPTIONS = {'SHA256': str, 'Format': str, 'Log': str, 'Target': str}


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
    _fields(model, name, _MODEL_OPTIONS, optional=True)
    _is_hash(model, name)
    _fields(model['Metadata'], f'{name}: Metadata', _METADATA)
    _fields(
        model['Metadata'],
        f'{name}: Metadata',
        _METADATA_OPTIONS,
        optional=True)
    check_results(model['Results'] or (), f'{name}: Results')
    if 'Converted From' in model:
        _check_origin(model['Converted From'], f'{name}: Converted From')


def check_results(results: Iterable[Any], where: str) -> None:
    """Check entries of ``Results``.

    Args:
        results: The entries.
        where: Their place, for the message.

    Raises:
        ValueError: If a field is missing or not what it should be.
    """
    for result in results:
        _fields(result, where, _RESULT)
        _fields(result, where, _RESULT_OPTIONS, optional=True)
        _one_of(result['Source'], SOURCES, f'{where}.Source')


def _check_origin(origin: Any, where: str) -> None:
    _fields(origin, where, _CONVERTED)
    _fields(origin, where, _CONVERTED_OPTIONS, optional=True)
    _one_of(origin['Content'], CONTENTS, f'{where}: Content')
    if origin['Content'] in PRETRAINED and 'Target' not in origin:
        raise ValueError(
            f'{where}: Target is missing; say what was reconstructed, for '
            'example "normalised pixels"')
    _is_hash(origin, where)


def _is_hash(node: Mapping, where: str) -> None:
    digest = node.get('SHA256')
    if digest is not None and not re.fullmatch('[0-9a-f]{64}', digest):
        raise ValueError(f'{where}: SHA256 is {digest!r}, expected 64 '
                         'hexadecimal digits in lower case')
    if digest is not None and 'Weights' not in node:
        raise ValueError(f'{where}: SHA256 without Weights')


def _fields(node: Any,
            where: str,
            expected: Mapping[str, Any],
            optional: bool = False) -> None:
    """Check that a mapping has the expected fields."""
    if not isinstance(node, Mapping):
        raise ValueError(f'{where} is {node!r}, expected a mapping')
    for field, kind in expected.items():
        if field not in node and optional:
            continue
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
