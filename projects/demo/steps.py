"""Run commands one after the other, and continue where they were stopped."""
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from projects.engine import find_checkpoint
from projects.engine.checkpoint_io import write_text

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRESS_EVERY = 5  # seconds between lines of progress


class StepError(RuntimeError):
    """The command of a step failed."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: Unique; names its log and its record.
        title: What it does, for the user.
        tool: Script below ``tools/``.
        args: Its arguments.
        work_dir: Of a training, which is resumed from its last checkpoint.
        results: Where its metrics are: a JSON file, or the work directory.
        processes: How many share the work, on this machine.
    """
    name: str
    title: str
    tool: str
    args: tuple[str, ...]
    work_dir: Path | None = None
    results: Path | None = None
    processes: int = 1

    def command(self) -> list[str]:
        """What to execute."""
        command = [
            sys.executable, *self._launcher(),
            str(REPOSITORY / 'tools' / self.tool), *self.args
        ]
        if self.processes > 1:
            command += ['--launcher', 'pytorch']
        if self.work_dir is not None:
            command += ['--work-dir', str(self.work_dir)]
            if find_checkpoint(str(self.work_dir)) is not None:
                command.append('--resume')
        return command

    def _launcher(self) -> list[str]:
        """What starts several processes, on any free port."""
        return [] if self.processes == 1 else [
            '-m', 'torch.distributed.run', '--standalone',
            f'--nproc_per_node={self.processes}'
        ]


@dataclass(frozen=True)
class Record:
    """How far a step has come.

    Attributes:
        done: Whether it has finished.
        seconds: Time it has taken, over all attempts.
        cpu_seconds: Time of processors in it, its subprocesses included.
    """
    done: bool = False
    seconds: float = 0.
    cpu_seconds: float = 0.


def read_record(folder: Path, step: Step) -> Record:
    """The record of a step; an empty one if it was never begun."""
    path = folder / f'{step.name}.json'
    return Record(**json.loads(path.read_text())) if path.exists() \
        else Record()


def run_steps(steps: Sequence[Step], folder: Path) -> dict[str, Record]:
    """Run the steps that are not done yet.

    Args:
        steps: In order; each may need the files of those before it.
        folder: For a record and a log of each step.

    Returns:
        The records by the steps' names.

    Raises:
        StepError: If a command fails; names its log. Steps that were done
            stay done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = {}
    for step in steps:
        record = read_record(folder, step)
        if record.done:
            print(f'{step.title}: done before ({clock(record.seconds)})')
        else:
            print(f'{step.title} ...', flush=True)
            record = _run(step, folder, record)
            print(f'  {clock(record.seconds)}', flush=True)
        records[step.name] = record
    return records


def _run(step: Step, folder: Path, before: Record) -> Record:
    """Run one step and record the time, whatever happens."""
    start, cpu_start = time.monotonic(), _cpu_seconds()
    done = False
    try:
        _execute(step.command(), folder / f'{step.name}.log')
        done = True
    finally:
        record = Record(done, before.seconds + time.monotonic() - start,
                        before.cpu_seconds + _cpu_seconds() - cpu_start)
        write_text(str(folder / f'{step.name}.json'), json.dumps(vars(record)))
    return record


def _cpu_seconds() -> float:
    """Of the processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def environment() -> dict[str, str]:
    """Half of the cores compute, the other half load data.

    With a thread on every core they wait for one another.
    """
    threads = max(1, (os.cpu_count() or 1) // 2)
    return {'OMP_NUM_THREADS': str(threads), **os.environ}


def _execute(command: Sequence[str], log: Path) -> None:
    """Run a command, log what it says and show its progress."""
    shown = 0.
    last = ''
    with log.open('a') as file, subprocess.Popen(
            command,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace') as process:
        assert process.stdout is not None
        file.write(f'$ {shlex.join(command)}\n')
        for line in process.stdout:
            file.write(line)
            file.flush()
            last = line.strip() or last
            progress = progress_of(line)
            if progress and time.monotonic() - shown > PROGRESS_EVERY:
                shown = time.monotonic()
                print(f'  {progress}', flush=True)
    if process.returncode:
        raise StepError(f'{last}\nfailed with exit status '
                        f'{process.returncode}; the whole output is in {log}')


def progress_of(line: str) -> str | None:
    """The telling part of a line that mmengine logs while training."""
    found = re.search(
        r'(?:Iter|Epoch)\(train\)\s+(\[.*?\])\s.*?'
        r'(eta: (?:\d+ days?, )?[\d:]+).*?'
        r'(loss: [\d.]+)', line)
    return ' '.join(found.groups()) if found else None


def clock(seconds: float) -> str:
    """Minutes and seconds, for example ``3:07``."""
    return f'{round(seconds) // 60}:{round(seconds) % 60:02}'
