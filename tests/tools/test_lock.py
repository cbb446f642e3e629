"""requirements/lock.txt has the versions that the other files pin."""
import re
import runpy

import pytest
from packaging.requirements import Requirement
from tooling import ROOT

LOCK = ROOT / 'requirements/lock.txt'
LINE = re.compile(r'([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}')


@pytest.fixture(scope='module')
def locked():
    lines = [
        line for line in LOCK.read_text().splitlines()
        if not line.startswith('#')
    ]
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), [line for line, ok in zip(lines, found) if not ok]
    return {match[1]: match[2] for match in found}


@pytest.mark.parametrize('file', ['torch', 'mminstall', 'constraints'])
def test_versions_are_the_pinned_ones(locked, file):
    for line in (ROOT / f'requirements/{file}.txt').read_text().splitlines():
        if not line.startswith('#'):
            wanted = Requirement(line)
            name = re.sub('[_.-]+', '-', wanted.name).lower()
            version = locked.get(name, '' if file != 'constraints' else None)
            assert version is None or wanted.specifier.contains(version), line


def test_everything_asked_for_is_locked(locked):
    tool = runpy.run_path(str(ROOT / 'tools/lock.py'))
    for wanted in tool['roots']():
        name = re.sub('[_.-]+', '-', wanted.name).lower()
        assert wanted.specifier.contains(locked[name]), wanted


def test_needs_are_followed():
    """What a package needs is found among what is installed."""
    tool = runpy.run_path(str(ROOT / 'tools/lock.py'))
    found = tool['installed']([Requirement('pytest')])
    assert {'pytest', 'pluggy', 'iniconfig'} <= set(found)
    assert 'torch' not in found and 'colorama' not in found
