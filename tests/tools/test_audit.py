"""tools/audit.py says what pip-audit found, and when it found out nothing.

pip-audit is no part of the environment: a module of that name stands in its
place and prints what the real one (2.10) prints.
"""
import json
import sys

import pytest
from tooling import run_tool


@pytest.fixture
def pip_audit(tmp_path, monkeypatch):
    """Make a pip-audit that runs some lines of code."""

    def write(code):
        (tmp_path / 'pip_audit.py').write_text(code)
        monkeypatch.setenv('PYTHONPATH', str(tmp_path))
        monkeypatch.syspath_prepend(tmp_path)

    return write


def package(name, **more):
    return dict(name=name, version='1.0', **more)


def test_missing(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    done = run_tool('audit.py')
    assert done.returncode == 2
    assert 'pip-audit is not installed; nothing was checked' in done.stderr
    assert f'{sys.executable} -m pip install pip-audit' in done.stderr


def test_unreachable(pip_audit):
    pip_audit('raise OSError("Max retries exceeded with url: /pypi")')
    done = run_tool('audit.py')
    assert done.returncode == 2 and 'nothing was checked' in done.stderr
    assert done.stderr.endswith('Max retries exceeded with url: /pypi\n')


@pytest.mark.parametrize('packages, status, said', [
    ([package('a', vulns=[])], 0, 'no known vulnerabilities\n1 packages'),
    ([package('a', vulns=[dict(id='CVE-1', fix_versions=['1.1', '2.0'])]),
      package('b', vulns=[dict(id='CVE-2', fix_versions=[])])], 1,
     'a 1.0: CVE-1, fixed in 1.1, 2.0\nb 1.0: CVE-2, fixed in no release\n'
     '2 packages checked'),
    ([package('a', vulns=[]), dict(name='b', skip_reason='not found')], 0,
     '1 packages checked\n1 not known to the index: b'),
    ([dict(name='a', skip_reason='not found')], 2, 'nothing was checked'),
])  # yapf: disable
def test_reports(pip_audit, packages, status, said):
    text = json.dumps(dict(dependencies=packages, fixes=[]))
    pip_audit(f'print({text!r})')
    done = run_tool('audit.py')
    assert done.returncode == status
    assert said in done.stdout + done.stderr
