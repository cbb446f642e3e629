"""A long run holds as much at its end as at its beginning.

    python -m pytest -m slow tests/engine/test_soak.py --basetemp soak

leaves soak.json and soak.png in a folder below soak/. The time of a step is
judged by what the processors worked on it: by the clock it grows when the
machine has other work.
"""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from process_tree import holdings
from tooling import ROOT

from projects.shapes import Recipe, make_dataset

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402

CONFIG = 'configs/convmae/demo/convmae_tiny_1xb32-coslr-6k_shapes.py'
ITERATIONS = 6000
EVERY = 1.  # seconds between samples
PARTS = 6


def watch(command: list[str], env: dict[str, str], folder: Path) -> list[dict]:
    """Run a command; what it and its children hold, second by second."""
    samples = []
    with (folder / 'log.txt').open('w') as log:
        process = subprocess.Popen(
            command, env=env, cwd=folder, stdout=log, stderr=log)
        start = time.monotonic()
        while process.poll() is None:
            samples.append(
                dict(
                    seconds=time.monotonic() - start,
                    iteration=reached(folder),
                    **holdings(process.pid)))
            time.sleep(EVERY)
    assert process.returncode == 0, (folder / 'log.txt').read_text()[-2000:]
    return samples


def reached(folder: Path) -> int:
    """The iteration that was logged last; 0 before the first."""
    files = list(folder.glob('run/*/vis_data/2*.json'))
    lines = files[0].read_text().splitlines() if files else []
    steps = [json.loads(line)['step'] for line in lines if line[-1:] == '}']
    return max(steps, default=0)


def logged(work_dir: Path) -> list[dict]:
    """Entries of the training in the log: iteration and seconds of a step."""
    file, = work_dir.glob('*/vis_data/2*.json')
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        dict(iteration=entry['step'], step_s=entry['time'])
        for entry in entries if 'loss' in entry
    ]


def medians(values: list[float]) -> list[float]:
    """Of each sixth of the run; validations and checkpoints are spikes."""
    return [float(np.median(part)) for part in np.array_split(values, PARTS)]


def cpu_times(samples: list[dict]) -> list[float]:
    """CPU milliseconds of an iteration in each sixth of them.

    Validations and checkpoints included; each sixth has as many.
    """
    at = np.linspace(0, ITERATIONS, PARTS + 1)
    done = np.interp(at, [sample['iteration'] for sample in samples],
                     [sample['cpu_s'] for sample in samples])
    return (1e3 * np.diff(done) / np.diff(at)).tolist()


def draw(path: Path, samples: list[dict], steps: list[dict]) -> None:
    """Three curves, one below the other."""
    figure, axes = pyplot.subplots(3, 1, figsize=(7, 6), layout='constrained')
    minutes = [sample['seconds'] / 60 for sample in samples]
    for axis, key, label in ((axes[0], 'rss_mib', 'resident MiB'),
                             (axes[1], 'files', 'open files')):
        axis.plot(minutes, [sample[key] for sample in samples], linewidth=1)
        axis.set(xlabel='minutes', ylabel=label, ylim=(0, None))
    axes[2].plot([step['iteration'] for step in steps],
                 [1e3 * step['step_s'] for step in steps],
                 linewidth=1)
    axes[2].set(xlabel='iteration', ylabel='ms a step', ylim=(0, None))
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


@pytest.mark.slow
def test_nothing_grows(tmp_path: Path) -> None:
    make_dataset(
        tmp_path / 'data/shapes', Recipe('small', parts=('cls', )), jobs=1)
    samples = watch([
        sys.executable,
        str(ROOT / 'tools/train.py'),
        str(ROOT / CONFIG), '--work-dir',
        str(tmp_path / 'run'), '--cfg-options',
        'train_dataloader.batch_size=16', 'train_dataloader.num_workers=1',
        f'train_cfg.max_iters={ITERATIONS}', 'train_cfg.val_interval=500',
        'default_hooks.checkpoint.interval=250'
    ], dict(os.environ, OMP_NUM_THREADS='1'), tmp_path)
    steps = logged(tmp_path / 'run')
    assert steps[-1]['iteration'] == ITERATIONS
    # the process and its loader's; there are more in validations
    busy = [s for s in samples if s['processes'] == 2]
    parts = {
        key: medians([sample[key] for sample in busy])
        for key in ('rss_mib', 'files')
    }
    parts['step_ms'] = medians([1e3 * step['step_s'] for step in steps])
    parts['cpu_ms'] = cpu_times(samples)
    (tmp_path / 'soak.json').write_text(
        json.dumps(dict(medians=parts, samples=samples, steps=steps)))
    draw(tmp_path / 'soak.png', samples, steps)
    print(parts)
    # the first sixth has the start in it
    rss, files, cpu = (
        np.array(parts[key][1:]) for key in ('rss_mib', 'files', 'cpu_ms'))
    assert rss.max() - rss.min() <= 0.02 * rss[0], parts
    assert files.max() - files.min() <= 1, parts
    assert cpu[-2:].mean() <= 1.1 * cpu[:2].mean(), parts
