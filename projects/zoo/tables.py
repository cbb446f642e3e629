"""Result tables of a README, from the metafile beside it.

In the README, ``<!-- table: FOLDER -->`` and ``<!-- end of table -->`` stand
around the table of the configs in that folder (pretrain, finetune, ...).
"""
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r'(<!-- table: (\S+) -->\n).*?(<!-- end of table -->)',
                    re.DOTALL)


def fill_tables(readme: str, metafile: Mapping[str, Any]) -> str:
    """The text of a README with its tables made anew.

    Args:
        readme: Its text, with markers.
        metafile: What :func:`~projects.zoo.read_metafile` returned.

    Raises:
        ValueError: If a model belongs in no table, or a table has no models.
    """
    models: dict[str, list[Mapping]] = {}
    for model in metafile['Models']:
        models.setdefault(Path(model['Config']).parent.name, []).append(model)
    marked = [match[2] for match in _BLOCK.finditer(readme)]
    if sorted(marked) != sorted(models):
        raise ValueError(
            f'the README has tables for {sorted(marked)}, the metafile has '
            f'models for {sorted(models)}: each folder needs one pair of '
            'markers')
    return _BLOCK.sub(
        lambda match: match[1] + _table(models[match[2]]) + match[3], readme)


def _table(models: list[Mapping]) -> str:
    """A Markdown table with a row for each model and source of numbers."""
    metrics = list(
        dict.fromkeys(metric for model in models
                      for result in model['Results'] or ()
                      for metric in result['Metrics']))
    header = [
        'Config', 'Length', 'Params (M)', 'FLOPs (G)', *metrics, 'Numbers',
        'Weights'
    ]
    rows = [header, [':--', *['--:'] * (len(header) - 3), ':--', ':--']]
    for model in models:
        results: dict[str, dict] = {}
        for result in model['Results'] or ():
            results.setdefault(result['Source'], {}).update(result['Metrics'])
        for source, values in (results or {'': {}}).items():
            rows.append([
                *_facts(model),
                *(str(values.get(metric, '')) for metric in metrics), source,
                _weights(model)
            ])
    filled = [column for column in zip(*rows) if any(column[2:])]
    return ''.join(f'| {" | ".join(row)} |\n' for row in zip(*filled))


def _facts(model: Mapping) -> list[str]:
    """Link, length of the training, size and cost of a model."""
    config, data = Path(model['Config']), model['Metadata']
    length = ''
    for unit in ('Epochs', 'Iterations'):
        if unit in data:
            length = f'{data[unit]} {unit.lower()}'
    flops = f'{data["FLOPs"] / 1e9:.1f}' if 'FLOPs' in data else ''
    return [
        f'[{config.stem}](./{config.parent.name}/{config.name})', length,
        f'{data["Parameters"] / 1e6:.1f}', flops
    ]


def _weights(model: Mapping) -> str:
    """Links to what can be downloaded."""
    links = []
    if model.get('Weights'):
        links.append(f'[model]({model["Weights"]})')
    if 'Converted From' in model:
        origin = model['Converted From']
        links.append(f'[official]({origin["Weights"]}) ({origin["Content"]}, '
                     f'{origin["License"]})')
    return ', '.join(links)
