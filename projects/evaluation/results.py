"""The table of an evaluated checkpoint, and its entries for metafiles."""
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from projects.analysis.curves import find_logs, read_entries
from projects.demo.report import Metric, Row, format_table
from projects.demo.steps import Record, clock
from projects.zoo.metafile import MEASURED, check_results

from .plan import Evaluation, Settings, embedded
from .recipes import LADDER, dataset_of, read, start_of
from .recognition import Pretraining

CONVERTED, TRAINED = MEASURED
METRICS = (
    Metric('Top 1 Accuracy', 'accuracy/top1'),
    Metric('Top 5 Accuracy', 'accuracy/top5'),
    Metric('box AP', 'coco/bbox_mAP', 100.),
    Metric('mask AP', 'coco/segm_mAP', 100.),
    Metric('mIoU', 'mIoU'),
    Metric('mAcc', 'mAcc'),
    Metric('aAcc', 'aAcc'),
)


def measured(results: Path | None) -> dict[Metric, float]:
    """The last value of each metric that was measured, in percent.

    Args:
        results: The JSON file of a test, or the work directory of a training.
    """
    assert results is not None
    values: dict[str, Any] = {}
    if results.suffix == '.json':
        values = json.loads(results.read_text())
    else:
        for entry in read_entries(find_logs(results)):
            values.update(entry)
    return {
        metric: round(metric.factor * values[metric.key], 2)
        for metric in METRICS if metric.key in values
    }


def format_results(settings: Settings, pretraining: Pretraining,
                   done: Sequence[Evaluation],
                   records: Mapping[str, Record]) -> str:
    """The table and what belongs to it, as Markdown.

    Args:
        settings: The user's.
        pretraining: What the checkpoint is of.
        done: The evaluations that have finished.
        records: Of their steps, by name.
    """
    rows = [
        Row(LADDER[item.rung].title, item.recipe.stem, item.step,
            item.describe(), tuple(measured(item.step.results)))
        for item in done
    ]
    seconds = sum(records[item.step.name].seconds for item in done)
    notes = [
        f'{pretraining.config.stem}, {settings.checkpoint}',
        f'{os.cpu_count()} cores', f'{clock(seconds)} in all'
    ]
    if settings.sha256:
        notes.insert(1, f'SHA-256 {settings.sha256}')
    if _setting(settings):
        notes.insert(1, _setting(settings))
    lines = [format_table(rows, records, 'recipe'), '']
    return '\n'.join([*lines, *(f'- {note}' for note in notes)]) + '\n'


def format_metafile(settings: Settings, pretraining: Pretraining,
                    done: Sequence[Evaluation]) -> str:
    """The results as a part of ``metafile.yml``.

    The pretraining has what was reached from it, each recipe its own.
    """
    models: dict[str, list[dict]] = {pretraining.config.stem: []}
    for item in done:
        rung = LADDER[item.rung]
        result = dict(
            Task=rung.task,
            Dataset=_dataset(settings, item),
            Metrics={},
            Source=TRAINED,
            Setting=_setting(settings))
        values = measured(item.step.results)
        _add(models[pretraining.config.stem], result,
             {_summary(rung.summary, metric): value
              for metric, value in values.items()})  # yapf: disable
        if item.rung == 'knn':
            continue
        if start_of(read(item.recipe)) != pretraining.config.stem:
            start = f'from {pretraining.config.stem}'
            result['Setting'] = '; '.join(
                text for text in (start, _setting(settings)) if text)
        _add(
            models.setdefault(item.recipe.stem, []), result, {
                metric.label: value
                for metric, value in values.items()
            })
    if not pretraining.ours:
        for result in models[pretraining.config.stem]:
            result['Source'] = CONVERTED
    for name, results in models.items():
        check_results(results, name)
    entries = [
        dict(Name=name, Results=results) for name, results in models.items()
    ]
    return ('# Of tools/evaluate.py: Results for the models of these names\n' +
            yaml.safe_dump(
                dict(Models=entries), sort_keys=False, allow_unicode=True))


def _add(results: list[dict], result: dict, metrics: dict) -> None:
    """Add metrics to the result of their task and data, or a new one."""
    same = next((old for old in results
                 if (old['Task'], old['Dataset']) == (result['Task'],
                                                      result['Dataset'])),
                None)
    if same is None:
        same = {
            key: value
            for key, value in result.items() if value or key == 'Metrics'
        }
        same['Metrics'] = {}
        results.append(same)
    same['Metrics'].update(metrics)


def _summary(rung: str, metric: Metric) -> str:
    """Name of a metric among those of the pretraining."""
    return f'{rung} {metric.label.removesuffix(" Accuracy")}'


def _dataset(settings: Settings, item: Evaluation) -> str:
    """Name of the data, as metafiles say it."""
    if embedded(settings, read(item.recipe)):
        return 'embedded shapes'
    return dataset_of(item.recipe, read(item.recipe))


def _setting(settings: Settings) -> str:
    """What was not as the recipes have it."""
    parts = ['few images and iterations'] if settings.quick else []
    if settings.seed is not None:
        parts.append(f'seed {settings.seed}')
    return ', '.join([*parts, *settings.options])
