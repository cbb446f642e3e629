"""The table of several seeds."""
from collections.abc import Sequence
from statistics import mean, stdev
from typing import NamedTuple

from projects.demo.report import Row
from projects.demo.steps import Record, clock, read_record

from .measurement import Measurement


class Line(NamedTuple):
    """A row of the table.

    Attributes:
        what: The evaluation.
        weights: What it starts from.
        settings: What was run.
        label: Of the metric; '' for a pretraining.
        seeds: Those that were measured.
        values: The metric in percent with each of them.
        seconds: Processor time of each.
    """
    what: str
    weights: str
    settings: str
    label: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    seconds: tuple[float, ...]

    def spread(self) -> str:
        """Mean and sample standard deviation of the metric."""
        if not self.values:
            return ''
        average = f'{mean(self.values):.1f}'
        return average if len(self.values) < 2 else \
            f'{average} ± {stdev(self.values):.1f}'


def summarize(runs: Sequence[Measurement]) -> list[Line]:
    """Gather what was measured with each seed.

    Args:
        runs: Of the same ladders. What is not done yet is left out.
    """
    keys = list(dict.fromkeys(row[:2] for run in runs for row in run.rows))
    lines = []
    for key in keys:
        rows = [(run, row) for run in runs for row in run.rows
                if row[:2] == key]
        done = [(run, row) for run, row in rows if _record(run, row).done]
        row = rows[0][1]
        for number, metric in enumerate(row.metrics or [None]):
            lines.append(
                Line(
                    row.what, row.weights, row.settings,
                    metric.label if metric else '',
                    tuple(run.settings.seed for run, _ in done),
                    tuple(row.measured()[number]
                          for _, row in done) if metric else (),
                    tuple(_record(run, row).cpu_seconds for run, row in done)))
    return lines


def _record(run: Measurement, row: Row) -> Record:
    """How far a row's step has come."""
    return read_record(run.out / 'steps', row.step)


def format_lines(lines: Sequence[Line]) -> str:
    """An aligned Markdown table."""
    cells = [[
        'Evaluation', 'Weights', 'Metric in %', 'Seeds', 'Mean ± s.d.',
        'Processor', 'Settings'
    ]]
    for line in lines:
        time = clock(mean(line.seconds)) if line.seconds else ''
        cells.append([
            line.what, line.weights, f'{line.label} ' +
            ', '.join(f'{x:.1f}'
                      for x in line.values) if line.seeds else 'not measured',
            ', '.join(map(str, line.seeds)),
            line.spread(), time, line.settings
        ])
    widths = [max(map(len, column)) for column in zip(*cells)]
    cells.insert(1, ['-' * width for width in widths])
    return '\n'.join(
        '| ' +
        ' | '.join(cell.ljust(width)
                   for cell, width in zip(row, widths)) + ' |'
        for row in cells)
