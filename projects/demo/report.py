"""The table at the end of the demonstration."""
import json
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mmengine.config import Config

from projects.analysis.curves import find_logs, read_curve

from .data import ImageList
from .plan import WEIGHTS, Job
from .steps import Record, clock


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        what: The evaluation.
        weights: What it starts from.
        accuracy: Top-1 in percent; None where nothing is tested.
        seconds: Time.
        settings: What was run.
    """
    what: str
    weights: str
    accuracy: float | None
    seconds: float
    settings: str


def make_rows(jobs: Mapping[str, Job], records: Mapping[str,
                                                        Record]) -> list[Row]:
    """Lines of the table, from the results on the disk."""
    cfg = jobs['pretrain'].cfg
    rows = [
        Row('pretraining', 'random', None, records['pretrain'].seconds,
            f'{describe(cfg)}, {100 * cfg.model.masking.ratio:g} % hidden')
    ]
    if len(jobs) == 1:
        return rows
    loop = cfg.test_cfg
    knn = f'k {loop.k}, temperature {loop.temperature}'
    for weights in WEIGHTS:
        job = jobs[f'linear-{weights}']
        rows.append(
            Row('kNN', weights, knn_accuracy(job),
                records[f'{job.name}-knn'].seconds, knn))
    for what, kind in (('linear probe', 'linear'), ('fine-tuning',
                                                    'finetune')):
        for weights in WEIGHTS:
            job = jobs[f'{kind}-{weights}']
            rows.append(
                Row(what, weights, last_accuracy(job),
                    records[job.name].seconds, describe(job.cfg)))
    return rows


def knn_accuracy(job: Job) -> float:
    """Top-1 accuracy of kNN classification, in percent."""
    return json.loads(job.knn.read_text())['accuracy/top1']


def last_accuracy(job: Job) -> float:
    """Top-1 accuracy at the end of a training, in percent."""
    _, values = read_curve(find_logs(job.work_dir), 'accuracy/top1')
    return values[-1]


def describe(cfg: Config) -> str:
    """Length, batch size and learning rate of a training."""
    return (f'{cfg.train_cfg.max_iters} x {cfg.train_dataloader.batch_size} '
            f'images, learning rate {cfg.optim_wrapper.optimizer.lr:g}')


def format_table(rows: Sequence[Row]) -> str:
    """The rows as an aligned Markdown table."""
    lines = [['evaluation', 'weights', 'top-1', 'time', 'settings']]
    for row in rows:
        value = '' if row.accuracy is None else f'{row.accuracy:.1f} %'
        lines.append(
            [row.what, row.weights, value,
             clock(row.seconds), row.settings])
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ['-' * width for width in widths])
    return '\n'.join(
        '| ' +
        ' | '.join(cell.ljust(width)
                   for cell, width in zip(line, widths)) + ' |'
        for line in lines)


def format_report(jobs: Mapping[str, Job], records: Mapping[str, Record],
                  images: ImageList) -> str:
    """The table and what belongs to it."""
    total = clock(sum(record.seconds for record in records.values()))
    chance = f', chance {100 / len(images.classes):.1f} %' \
        if images.classes else ''
    cfg = jobs['pretrain'].cfg
    return (f'{format_table(make_rows(jobs, records))}\n\n'
            f'{images}{chance}; {cfg.model.backbone.img_size} pixels; seed '
            f'{cfg.randomness.seed}; {os.cpu_count()} cores; {total} in all')
