"""The zoo's models as text for a terminal."""
from collections.abc import Mapping, Sequence

from .index import Entry


def list_text(entries: Sequence[Entry]) -> str:
    """A table of models, one on each line."""
    header = ('name', 'method', 'task', 'params (M)', 'MACs (G)', 'weights')
    rows = [header]
    for entry in entries:
        data = entry.model['Metadata']
        content = f' {entry.origin["Content"]}' if entry.origin else ''
        rows.append((entry.name, entry.method, entry.task,
                     f'{data["Parameters"] / 1e6:.1f}',
                     f'{data["FLOPs"] / 1e9:.1f}' if 'FLOPs' in data else '',
                     entry.weights_kind + content))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return '\n'.join('  '.join(
        cell.rjust(width) if number in (3, 4) else cell.ljust(width)
        for number, (cell, width) in enumerate(zip(row, widths))).rstrip()
                     for row in rows)


def show_text(entry: Entry) -> str:
    """All that the index says about a model."""
    data, paper = dict(entry.model['Metadata']), entry.collection['Paper']
    params, macs = data.pop('Parameters'), data.pop('FLOPs', None)
    lines = [
        entry.name, f'  method      {entry.method} ({entry.task})',
        f'  paper       {paper["Title"]}', f'              {paper["URL"]}',
        f'  recipe      {entry.model["Config"]}',
        f'  parameters  {params / 1e6:.2f} M'
    ]
    if macs is not None:
        lines.append(f'  MACs        {macs / 1e9:.2f} G for one image')
    lines += [f'  {key.lower():<11} {value}' for key, value in data.items()]
    for title, measured in (('reported', False), ('measured here', True)):
        lines.append(f'  results, {title}')
        lines += _results(entry.results(measured)) or ['    none']
    lines += _weights(entry)
    if entry.model.get('Downstream'):
        lines.append('  downstream')
        lines += [f'    {name}' for name in entry.model['Downstream']]
    return '\n'.join(lines)


def _results(results: Sequence[Mapping]) -> list[str]:
    return [
        f'    {result["Dataset"]}, {result["Task"]}: ' +
        ', '.join(f'{name} {value}'
                  for name, value in result['Metrics'].items()) +
        f' ({result["Source"]})' for result in results
    ]


def _weights(entry: Entry) -> list[str]:
    """Lines about what can be downloaded."""
    unknown = 'not known; recorded at the first download'
    lines = []
    if entry.weights:
        lines += [
            '  weights, in our layout', f'    {entry.weights}',
            f'    SHA-256   {entry.model.get("SHA256", unknown)}'
        ]
    if entry.origin:
        lines += [
            '  weights, official', f'    {entry.origin["Weights"]}',
            f'    SHA-256   {entry.origin.get("SHA256", unknown)}'
        ]
        lines += [
            f'    {key.lower():<9} {entry.origin[key]}'
            for key in ('Content', 'Target', 'Format', 'License', 'Code',
                        'Log') if key in entry.origin
        ]
    return lines or ['  weights', '    none published']
