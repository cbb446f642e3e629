"""The table at the end of the demonstration."""
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from projects.analysis.curves import find_logs, read_curve

from .steps import Record, Step, clock

if TYPE_CHECKING:
    from .plan import Demo


class Metric(NamedTuple):
    """A result as the table shows it.

    Attributes:
        label: Its name there.
        key: Its name in logs and result files.
        factor: Brings it to percent.
    """
    label: str
    key: str
    factor: float = 1.


TOP1 = Metric('top-1', 'accuracy/top1')
BOX_AP = Metric('box AP', 'coco/bbox_mAP', 100.)
MASK_AP = Metric('mask AP', 'coco/segm_mAP', 100.)
MIOU = Metric('mIoU', 'mIoU')


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        what: The evaluation.
        weights: What it starts from.
        step: The step that took the time and has the results.
        settings: What was run.
        metrics: Which of its results are shown.
    """
    what: str
    weights: str
    step: Step
    settings: str
    metrics: tuple[Metric, ...]

    def measured(self) -> list[float]:
        """The metrics in percent, from the results on the disk."""
        return [
            metric.factor * read_result(self.step.results, metric.key)
            for metric in self.metrics
        ]


def read_result(results: Path | None, key: str) -> float:
    """A result in the JSON file of a test, or the last in a training's logs.

    Args:
        results: The file, or the work directory of the training.
        key: For example ``accuracy/top1``.
    """
    assert results is not None
    if results.suffix == '.json':
        return json.loads(results.read_text())[key]
    return float(read_curve(find_logs(results), key)[1][-1])


def format_table(rows: Sequence[Row],
                 records: Mapping[str, Record],
                 weights: str = 'weights') -> str:
    """The rows as an aligned Markdown table.

    Args:
        rows: Its lines.
        records: Of their steps, by name.
        weights: Heading of the second column.
    """
    lines = [['evaluation', weights, 'result in %', 'time', 'settings']]
    for row in rows:
        results = ', '.join(
            f'{metric.label} {value:.1f}'
            for metric, value in zip(row.metrics, row.measured()))
        time = clock(records[row.step.name].seconds)
        lines.append([row.what, row.weights, results, time, row.settings])
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ['-' * width for width in widths])
    return '\n'.join(
        '| ' +
        ' | '.join(cell.ljust(width)
                   for cell, width in zip(line, widths)) + ' |'
        for line in lines)


def format_report(demo: 'Demo', records: Mapping[str, Record]) -> str:
    """The table and what belongs to it."""
    notes = [] if demo.images is None else [str(demo.images)]
    if demo.classes:
        notes[0] += f', chance {100 / len(demo.classes):.1f} %'
    total = sum(record.seconds for record in records.values())
    work = sum(record.cpu_seconds for record in records.values())
    notes += [
        f'seed {demo.settings.seed}', f'{os.cpu_count()} cores',
        f'{clock(total)} in all, {clock(work)} of processor time'
    ]
    return f'{format_table(demo.rows, records)}\n\n{"; ".join(notes)}'
