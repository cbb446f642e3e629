"""Curves of training runs, from the logs that mmengine writes."""
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SHOWN = 200  # a curve of more points is averaged, and its points drawn pale


def find_logs(run: str | Path) -> list[Path]:
    """The log files of a run, oldest first.

    Args:
        run: A work directory, in which every start of training has left a
            log, or one log file.

    Raises:
        FileNotFoundError: If there are none.
    """
    run = Path(run)
    if run.is_file():
        return [run]
    logs = sorted(run.glob('*/vis_data/scalars.json'))
    if not logs:
        raise FileNotFoundError(
            f'no log of a run in {run}: expected '
            '<time of start>/vis_data/scalars.json, or give a log file')
    return logs


def read_curve(logs: Iterable[Path],
               key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a logged quantity.

    Where a run was resumed, what it repeated takes the place of what it had
    logged before.

    Args:
        logs: Log files of one run, oldest first; each line is a JSON object.
        key: For example ``loss`` or ``accuracy/top1``.

    Returns:
        Two arrays (N,), by step. A step is an iteration for what is logged in
        training, and an epoch for metrics of runs that count epochs.

    Raises:
        ValueError: If a file is not such a log, or has no such quantity.
    """
    values: dict[int, float] = {}
    keys: set[str] = set()
    logs = list(logs)
    for log in logs:
        for number, line in enumerate(log.read_text().splitlines(), 1):
            try:
                entry = json.loads(line)
                keys |= entry.keys()
                if key in entry:
                    values[int(entry['step'])] = float(entry[key])
            except (ValueError, AttributeError, KeyError, TypeError):
                raise ValueError(
                    f'{log}, line {number} is no entry of a training log: '
                    f'{line[:60]!r}') from None
    if not values:
        raise ValueError(f'{logs[-1]} has no {key!r}; it has '
                         f'{", ".join(sorted(keys - {"step"})) or "nothing"}')
    steps = sorted(values)
    return np.array(steps), np.array([values[step] for step in steps])


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Running mean over ``window`` values; the ends average fewer."""
    ones = np.ones(min(window, len(values)))
    return (np.convolve(values, ones, 'same') /
            np.convolve(np.ones(len(values)), ones, 'same'))


def draw_curves(runs: Sequence[str | Path], keys: Sequence[str],
                out: str | Path) -> None:
    """Draw a panel for each quantity with a curve for each run.

    A run that has not logged a quantity is left out of its panel.

    Args:
        runs: Work directories or log files; their names are the legend.
        keys: What to draw.
        out: The picture to write; its ending chooses the format.

    Raises:
        FileNotFoundError: If a run has no log.
        ValueError: If no run has logged one of the quantities, or the format
            is unknown.
    """
    out = Path(out)
    logs = {str(run): find_logs(run) for run in runs}
    figure = Figure(figsize=(5 * len(keys), 4))
    axes = figure.subplots(1, len(keys), squeeze=False)
    for axis, key in zip(axes[0], keys):
        _draw_panel(axis, key, logs)
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f'.{out.name}')
    figure.savefig(temporary, format=out.suffix[1:] or 'png', dpi=120)
    os.replace(temporary, out)


def _draw_panel(axis: Axes, key: str, logs: dict[str, list[Path]]) -> None:
    """One quantity of all runs that have it."""
    errors = []
    for run, files in logs.items():
        try:
            steps, values = read_curve(files, key)
        except ValueError as error:
            errors.append(error)
            continue
        name = Path(run).name
        if len(values) > SHOWN:
            (line, ) = axis.plot(steps, values, alpha=0.2)
            mean = smooth(values, 4 * len(values) // SHOWN)
            axis.plot(steps, mean, color=line.get_color(), label=name)
        else:
            axis.plot(
                steps, values, '.-' if len(values) < 20 else '-', label=name)
    if len(errors) == len(logs):
        raise errors[0]
    axis.set(title=key, xlabel='step')
    axis.grid(alpha=0.3)
    axis.legend()
