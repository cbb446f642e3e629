"""Curves of training runs, from the logs that mmengine writes."""
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Entry = dict[str, Any]  # a line of a log: quantities by name, and the step
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


def read_entries(logs: Iterable[Path]) -> list[Entry]:
    """What a run has logged, in the order of time.

    A last line without an end was being written when the run was killed, and
    is left out.

    Args:
        logs: Log files of one run, oldest first; each line is a JSON object.

    Raises:
        ValueError: If a file is not such a log.
    """
    entries = []
    for log in logs:
        lines = log.read_text(errors='replace').splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                int(entry['step'])
                entries.append(entry)
            except (ValueError, KeyError, TypeError):
                if not line.endswith('\n'):
                    continue
                raise ValueError(
                    f'{log}, line {number} is no entry of a training log: '
                    f'{line.strip()[:60]!r}') from None
    return entries


def curve_of(entries: Iterable[Entry],
             key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a logged quantity.

    Where a run was resumed, what it repeated takes the place of what it had
    logged before.

    Args:
        entries: What the run has logged.
        key: For example ``loss`` or ``accuracy/top1``.

    Returns:
        Two arrays (N,), by step. A step is an iteration for what is logged in
        training, and an epoch for metrics of runs that count epochs.
    """
    values = {
        int(entry['step']): float(entry[key])
        for entry in entries if isinstance(entry.get(key), (int, float))
    }
    steps = sorted(values)
    return np.array(steps), np.array([values[step] for step in steps])


def read_curve(logs: Iterable[Path],
               key: str) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`curve_of`, from the log files of a run.

    Raises:
        ValueError: If a file is not such a log, or has no such quantity.
    """
    entries = read_entries(logs)
    steps, values = curve_of(entries, key)
    if not len(steps):
        raise _missing(key, entries)
    return steps, values


def _missing(key: str, entries: Iterable[Entry]) -> ValueError:
    """That nobody has logged a quantity."""
    keys = set().union(*entries) - {'step'}
    return ValueError(f'the log has no {key!r}; it has '
                      f'{", ".join(sorted(keys)) or "nothing"}')


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
        runs: Work directories or log files; the names of several are the
            legend.
        keys: What to draw.
        out: The picture to write; its ending chooses the format.

    Raises:
        FileNotFoundError: If a run has no log.
        ValueError: If no run has logged one of the quantities, or the format
            is unknown.
    """
    out = Path(out)
    entries = {Path(run).name: read_entries(find_logs(run)) for run in runs}
    figure = curve_figure(entries, keys)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f'.{out.name}')
    figure.savefig(temporary, format=out.suffix[1:] or 'png', dpi=120)
    os.replace(temporary, out)


def curve_figure(runs: Mapping[str, list[Entry]],
                 keys: Sequence[str]) -> Figure:
    """A panel for each quantity with a curve for each run.

    Args:
        runs: What each run has logged, by its name; those of several are the
            legend.
        keys: What to draw.

    Raises:
        ValueError: If no run has logged one of the quantities.
    """
    figure = Figure(figsize=(5 * len(keys), 4))
    axes = figure.subplots(1, len(keys), squeeze=False)
    for axis, key in zip(axes[0], keys):
        _draw_panel(axis, key, runs)
    figure.tight_layout()
    return figure


def _draw_panel(axis: Axes, key: str, runs: Mapping[str, list[Entry]]) -> None:
    """One quantity of all runs that have it."""
    for name, entries in runs.items():
        steps, values = curve_of(entries, key)
        if not len(steps):
            continue
        if len(values) > SHOWN:
            (line, ) = axis.plot(steps, values, alpha=0.2)
            mean = smooth(values, 4 * len(values) // SHOWN)
            axis.plot(steps, mean, color=line.get_color(), label=name)
        else:
            axis.plot(
                steps, values, '.-' if len(values) < 20 else '-', label=name)
    if not axis.lines:
        raise _missing(key, chain.from_iterable(runs.values()))
    # names are shown as they are: $ begins no formula
    axis.set_title(key, parse_math=False)
    axis.set_xlabel('step')
    axis.grid(alpha=0.3)
    if len(runs) > 1:
        for text in axis.legend().get_texts():
            text.set_parse_math(False)
