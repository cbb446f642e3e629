"""The result of a check, and how remedies are worded."""
from __future__ import annotations

import sys
from typing import Iterable, NamedTuple

from .installed import read_requirements

OK, NOTE, WARN, FAIL = 'ok', 'note', 'warn', 'FAIL'
SETUP = 'run `make setup`'
REBUILD = ('run `make setup`, which compiles them when no ready wheel fits '
           '(about 12 minutes on 2 cores)')


class Finding(NamedTuple):
    """What was looked at, what was found, and what to do about it."""
    item: str
    status: str
    found: str
    remedy: str = ''


def pip(arguments: str) -> str:
    """A pip command for this very environment, to copy from the screen."""
    return f'`{sys.executable} -m pip {arguments}`'


def uninstall(names: Iterable[str], then: str) -> str:
    """Remove distributions, and what to do after that."""
    return f'{pip("uninstall -y " + " ".join(names))}, then {then}'


def requirement(name: str, file: str = 'runtime.txt') -> str:
    """A quoted requirement, with the range that ``requirements`` states."""
    return f'"{name}{read_requirements(file)[name]}"'


def headless() -> str:
    """The OpenCV that needs no system libraries."""
    return requirement('opencv-python-headless')


def torchvision_remedy() -> str:
    """How to get a matching pair."""
    pair = ' '.join(
        name + version
        for name, version in read_requirements('torch.txt').items())
    return (f'install the pair from one index: '
            f'{pip(f"install --force-reinstall {pair}")}, then {SETUP}')
