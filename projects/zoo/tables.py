"""Result tables of a README, from the metafile beside it.

In the README, ``<!-- table: NAME -->`` and ``<!-- end of table -->`` stand
around a table. A result that names its ``Table`` is a row of that one, for
example of one of the paper's; the others are in the table of their config's
folder (pretrain, finetune, ...).
"""
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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
    tables: dict[str, list[_Row]] = {}
    for model in metafile['Models']:
        for name, row in _rows(model):
            rows = tables.setdefault(name, [])
            same = next((old for old in rows if old[:3] == row[:3]), None)
            if same is None:
                rows.append(row)
            else:
                same.metrics.update(row.metrics)
    marked = [match[2] for match in _BLOCK.finditer(readme)]
    if sorted(marked) != sorted(tables):
        raise ValueError(
            f'the README has tables for {sorted(marked)}, the metafile has '
            f'models for {sorted(tables)}: each needs one pair of markers')
    return _BLOCK.sub(
        lambda match: match[1] + _table(tables[match[2]]) + match[3], readme)


class _Row(NamedTuple):
    """Numbers of a model that have one source."""
    model: Mapping
    setting: str
    source: str
    metrics: dict[str, Any]


def _rows(model: Mapping) -> Iterator[tuple[str, _Row]]:
    """A row for each result, with the name of its table."""
    folder = Path(model['Config']).parent.name
    for result in model['Results'] or ():
        row = _Row(model, result.get('Setting', ''), result['Source'],
                   dict(result['Metrics']))
        yield result.get('Table', folder), row
    if not model['Results']:
        yield folder, _Row(model, '', '', {})


def _table(rows: list[_Row]) -> str:
    """A Markdown table, without columns that would be empty."""
    metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
    header = [
        'Config', 'Setting', 'Length', 'Params (M)', 'FLOPs (G)', *metrics,
        'Numbers', 'Weights'
    ]
    lines = [
        header, [':--', ':--', *['--:'] * (len(header) - 4), ':--', ':--']
    ]
    for row in rows:
        link, *facts = _facts(row.model)
        lines.append([
            link, row.setting, *facts, *(str(row.metrics.get(metric, ''))
                                         for metric in metrics), row.source,
            _weights(row.model)
        ])
    filled = [column for column in zip(*lines) if any(column[2:])]
    return ''.join(f'| {" | ".join(line)} |\n' for line in zip(*filled))


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
