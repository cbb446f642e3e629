"""Where the time of a step goes: its operations by their own time."""
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch.profiler import ProfilerActivity, profile

SHOWN = 12  # operations with a bar of their own


def own_times(step: Callable[[], object],
              device: torch.device) -> dict[str, float]:
    """Seconds of each operation without those that it calls, longest first.

    On a GPU the times of its kernels, on a CPU those of the thread that
    calls them. The profiler adds to short operations.
    """
    cuda = device.type == 'cuda'
    kind = ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU
    with profile(activities=[kind], acc_events=True) as found:
        step()
    times = {
        event.key:
        (event.self_device_time_total if cuda else event.self_cpu_time_total) /
        1e6
        for event in found.key_averages()
    }
    return dict(sorted(times.items(), key=lambda item: -item[1]))


def draw(times: Mapping[str, float], path: Path | str) -> None:
    """Write a bar for each of the longest operations, one for the rest.

    Args:
        times: Seconds by operation, longest first.
        path: File, of a kind that matplotlib knows by its suffix.
    """
    named = list(times.items())
    bars = dict(named[:SHOWN])
    if len(named) > SHOWN:
        rest = sum(seconds for _, seconds in named[SHOWN:])
        bars[f'{len(named) - SHOWN} others'] = rest
    total = sum(times.values())
    figure = Figure(figsize=(8, 4), layout='constrained')
    axes = figure.subplots()
    labels = [name.removeprefix('aten::')[:40] for name in bars]
    drawn = axes.barh(range(len(bars)), list(bars.values()))
    axes.set_yticks(range(len(bars)), labels)
    axes.bar_label(
        drawn, [f'{seconds / total:.1%}' for seconds in bars.values()],
        padding=3)
    axes.invert_yaxis()
    axes.margins(x=.1)
    axes.set_xlabel(f'own time in a step, s (all: {total:.3g})')
    figure.savefig(path, dpi=100)
