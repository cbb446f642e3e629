"""requirements/lock.txt has the versions that the other files pin."""
import hashlib
import re
import runpy
import zipfile
from importlib.metadata import version

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


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that is all pip knows, with one wheel; the wheel's hash."""
    name = f'iniconfig-{version("iniconfig")}'
    info = name + '.dist-info'
    path = tmp_path / f'{name}-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w') as wheel:
        wheel.writestr(
            f'{info}/METADATA', 'Metadata-Version: 2.1\nName: iniconfig\n'
            f'Version: {version("iniconfig")}\n')
        wheel.writestr(
            f'{info}/WHEEL', 'Wheel-Version: 1.0\nGenerator: a test\n'
            'Root-Is-Purelib: true\nTag: py3-none-any\n')
        wheel.writestr(f'{info}/RECORD', '')
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(tmp_path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_hashes_are_those_of_the_files(index, tmp_path, capsys):
    tool = runpy.run_path(str(ROOT / 'tools/lock.py'))
    main = tool['main']
    main.__globals__['roots'] = lambda: [Requirement('iniconfig')]
    out = tmp_path / 'lock.txt'
    main(['--out', str(out)])
    assert out.read_text().splitlines()[-1] == (
        f'iniconfig=={version("iniconfig")} --hash=sha256:{index}')
    assert '1 packages' in capsys.readouterr().out


@pytest.mark.parametrize('archive', [{
    'hash': 'sha256=12ab',
    'hashes': {
        'sha256': '12ab'
    }
}, {
    'hashes': {
        'sha256': '12ab'
    }
}, {
    'hash': 'sha256=12ab'
}])
def test_old_and_new_pip(archive):
    tool = runpy.run_path(str(ROOT / 'tools/lock.py'))
    assert tool['sha256'](archive) == '12ab'
