"""What trainings and tests have left in a folder."""
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .curves import Entry, read_entries

PICTURES = ('.png', '.jpg', '.jpeg')
CONFIG_LIMIT = 1_000_000  # characters
NOT_QUANTITIES = ('step', 'iter', 'epoch', 'base_lr')  # of a log entry
TIMES = ('time', 'data_time', 'memory')


class Validation(NamedTuple):
    """Metrics of the validation after a step."""
    step: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Run:
    """A work directory of ``tools/train.py`` or ``tools/test.py``.

    Attributes:
        folder: The work directory.
        name: Its path below the folder that was looked through.
        starts: Times of the starts, as mmengine names them, oldest first.
        config: Text of the config of the last start; '' if there is none.
        environment: What the last start says of the machine and its
            versions: names and values.
        entries: What was logged in training.
        validations: What was measured in training.
        tests: Metrics of tests by the file that they are in.
        checkpoints: Names and sizes in bytes.
        pictures: Files of images, sorted.
    """
    folder: Path
    name: str
    starts: tuple[str, ...]
    config: str
    environment: dict[str, str]
    entries: list[Entry]
    validations: list[Validation]
    tests: dict[str, dict[str, Any]]
    checkpoints: dict[str, int]
    pictures: list[Path]


def find_runs(folder: Path) -> list[Run]:
    """All runs in a folder: it may be one itself, and hold others.

    Raises:
        FileNotFoundError: If there is no such folder, or no run in it.
        NotADirectoryError: If it is a file.
        ValueError: If a log is not one.
    """
    if not folder.exists():
        raise FileNotFoundError(f'the folder {folder} does not exist')
    if not folder.is_dir():
        raise NotADirectoryError(f'{folder} is a file; the work directory of '
                                 'a training or test is expected')
    found = sorted({path.parents[1] for path in folder.rglob('vis_data')
                    if folder in path.parents[1].parents
                    or folder == path.parents[1]})  # yapf: disable
    if not found:
        raise FileNotFoundError(
            f'no run in {folder}: expected is what tools/train.py or '
            'tools/test.py writes, <time of start>/vis_data')
    return [_read_run(path, folder, found) for path in found]


def _read_run(folder: Path, root: Path, runs: Sequence[Path]) -> Run:
    """What is in a work directory, without the runs inside of it."""
    starts = sorted(path.parent for path in folder.glob('*/vis_data'))
    logs = [start / 'vis_data/scalars.json' for start in starts]
    entries = read_entries(log for log in logs if log.is_file())
    inner = [run for run in runs if folder in run.parents]
    name = folder.relative_to(root).as_posix()
    return Run(
        folder, folder.resolve().name if name == '.' else name,
        tuple(start.name for start in starts), _config(starts[-1]),
        _environment(starts[-1]), [entry for entry in entries
                                   if _is_training(entry)],
        _validations(entries), _tests(folder),
        {path.name: path.stat().st_size
         for path in sorted(folder.glob('*.pth'))},
        find_pictures(folder, inner))  # yapf: disable


def find_pictures(folder: Path, without: Iterable[Path] = ()) -> list[Path]:
    """Images in a folder and those in it, except for some."""
    without = set(without)
    return sorted(
        path for path in folder.rglob('*') if path.suffix.lower() in PICTURES
        and path.is_file() and not without.intersection(path.parents))


def _config(start: Path) -> str:
    """The config that mmengine has written down."""
    path = start / 'vis_data/config.py'
    if not path.is_file():
        return ''
    return path.read_text(errors='replace')[:CONFIG_LIMIT]


def _environment(start: Path) -> dict[str, str]:
    """What mmengine says of the environment at the head of the log."""
    values: dict[str, str] = {}
    for log in sorted(start.glob('*.log'))[:1]:
        text = log.read_text(errors='replace')
        found = re.search(r'^System environment:\n(.*?)^-{20,}$', text,
                          re.DOTALL | re.MULTILINE)
        name = ''
        for line in (found[1] if found else '').splitlines():
            item = re.fullmatch(r' {4}(\S[^:]*): ?(.*)', line)
            if item:
                name = item[1]
                values[name] = item[2]
            elif name and line.startswith(' '):  # goes on
                values[name] += f'\n{line}'
    return values


def _is_training(entry: Entry) -> bool:
    """Whether it was logged by training steps, not by a validation."""
    return 'iter' in entry or 'lr' in entry


def _validations(entries: Iterable[Entry]) -> list[Validation]:
    """In order of time; repeated ones in place of earlier ones."""
    found: dict[int, dict[str, float]] = {}
    last = 0
    for entry in entries:
        if _is_training(entry):
            last = int(entry.get('iter') or entry['step'])
            continue
        metrics = {
            name: value
            for name, value in entry.items()
            if name not in (*NOT_QUANTITIES, *TIMES) and _is_number(value)
        }
        # metrics by epoch of runs that count iterations have step 0
        found[int(entry['step']) or last] = metrics
    return [Validation(step, found[step]) for step in sorted(found)]


def _tests(folder: Path) -> dict[str, dict[str, Any]]:
    """Metrics in JSON files: those of mmengine and those of --out."""
    found = {}
    for path in sorted([*folder.glob('*.json'), *folder.glob('*/*.json')]):
        try:
            content = json.loads(path.read_text(errors='replace'))
        except ValueError:
            continue
        if isinstance(content, Mapping) and content and all(
                _is_number(value) for value in content.values()):
            metrics = {
                name: value
                for name, value in content.items() if name not in TIMES
            }
            found[path.relative_to(folder).as_posix()] = metrics
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Quantity(NamedTuple):
    """A quantity that was logged in training."""
    name: str
    first: float
    last: float
    smallest: float
    largest: float


def quantities(entries: Sequence[Entry]) -> list[Quantity]:
    """What was logged, the losses first and times last."""
    names = dict.fromkeys(name for entry in entries
                          for name, value in entry.items()
                          if name not in NOT_QUANTITIES and _is_number(value))

    def place(name: str) -> tuple[bool, bool, bool]:
        return name in TIMES, name != 'loss', not name.startswith('loss')

    found = []
    for name in sorted(names, key=place):
        values = [
            float(entry[name]) for entry in entries
            if _is_number(entry.get(name))
        ]
        finite = [value for value in values if math.isfinite(value)] or values
        found.append(
            Quantity(name, values[0], values[-1], min(finite), max(finite)))
    return found


def readable(path: Path, root: Path) -> str:
    """A path below ``root``; bytes that are no text are replaced."""
    return os.fsencode(path.relative_to(root)).decode(errors='replace')
