"""Trainings by the real tools, in processes of their own."""
import json
import os
import subprocess
import sys
from pathlib import Path

from tooling import ROOT


def train(config: Path,
          work_dir: Path,
          *args: str,
          processes: int = 1) -> subprocess.CompletedProcess:
    """Run tools/train.py or tools/dist_train.sh.

    Args:
        config: May import ``faults``.
        work_dir: Of the training.
        args: More arguments.
        processes: Number of gloo processes.
    """
    env = dict(
        os.environ,
        PYTHONPATH=str(ROOT / 'tests'),
        PYTHON=sys.executable,
        OMP_NUM_THREADS='1',
        PORT=str(29600 + os.getpid() % 1000))
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(config)]
    if processes > 1:
        command = ['bash', str(ROOT / 'tools/dist_train.sh'), str(config),
                   str(processes)]  # yapf: disable
    return subprocess.run(
        [*command, '--work-dir', str(work_dir), *args],
        env=env,
        capture_output=True,
        text=True,
        timeout=300)


def losses(work_dir: Path) -> dict[int, float]:
    """Logged losses by step, over all sessions of a work dir."""
    found = {}
    for file in sorted(work_dir.glob('*/vis_data/2*.json')):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if 'loss' in entry:
                found[entry['step']] = entry['loss']
    return found
