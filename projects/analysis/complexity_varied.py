"""Cost of a model as one of its settings varies: a table and a picture."""
import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from mmengine.config import Config

from .complexity import Complexity, measure


def measure_varied(
        cfg: Config,
        key: str,
        values: Sequence[Any],
        shape: tuple[int, int] | None = None) -> dict[Any, Complexity]:
    """Cost of a config for each of several values of one of its settings.

    Args:
        cfg: A config of any toolbox.
        key: For example ``model.backbone.test_sample_ratio``.
        values: What to set it to.
        shape: As for :func:`measure`.
    """
    results = {}
    for value in values:
        changed = copy.deepcopy(cfg)
        changed.merge_from_dict({key: value})
        results[value] = measure(changed, shape)
    return results


def format_varied(key: str, results: Mapping[Any, Complexity]) -> str:
    """A Markdown table: multiply-accumulates of each part for each value."""
    names = [*next(iter(results.values())).parts, 'total']
    setting = key.rsplit('.', 1)[-1]
    rows = [[setting, *names], ['--:'] * (len(names) + 1)]
    for value, result in results.items():
        costs = {**result.parts, 'total': result.total}
        rows.append(
            [str(value), *(f'{costs[n].macs / 1e9:.1f}' for n in names)])
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def draw_varied(key: str, results: Mapping[Any, Complexity],
                out: Path) -> None:
    """Draw the multiply-accumulates for each value, parts on one another."""
    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.add_subplot()
    labels = [str(value) for value in results]
    bottom = [0.] * len(results)
    for name in next(iter(results.values())).parts:
        giga = [r.parts[name].macs / 1e9 for r in results.values()]
        axes.bar(labels, giga, bottom=bottom, label=name, width=.6)
        bottom = [low + high for low, high in zip(bottom, giga)]
    for place, height in enumerate(bottom):
        axes.text(place, height, f'{height:.0f}', ha='center', va='bottom')
    axes.set(xlabel=key.rsplit('.', 1)[-1], ylabel='multiply-accumulates (G)')
    axes.margins(y=.1)
    axes.legend(loc='upper left')
    figure.savefig(out, dpi=100)
