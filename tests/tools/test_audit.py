"""tools/audit.py says what pip-audit found, and when it found out nothing.

pip-audit is no part of the environment: a module of that name stands in its
place and prints what the real one (2.10) prints. Where it is installed, the
real one asks a server of this machine's.
"""
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from importlib.util import find_spec

import pytest
from tooling import run_tool

# An advisory as api.osv.dev answers it, of a release that is installed.
ADVISORY = dict(
    id='PYSEC-2026-1',
    schema_version='1.7.3',
    details='Made up.',
    aliases=['CVE-2026-0001'],
    modified='2026-01-02T00:00:00Z',
    published='2026-01-01T00:00:00Z',
    affected=[
        dict(
            package=dict(
                name='pytest', ecosystem='PyPI', purl='pkg:pypi/pytest'),
            ranges=[
                dict(
                    type='ECOSYSTEM',
                    events=[dict(introduced='0'),
                            dict(fixed='9999.1')])
            ],
            versions=[version('pytest')])
    ])


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


class Osv(BaseHTTPRequestHandler):
    """Knows one flaw, in the pytest that is installed."""

    def do_POST(self) -> None:
        length = int(self.headers['Content-Length'])
        query = json.loads(self.rfile.read(length))
        hit = (query['package']['name'], query['version']) \
            == ('pytest', version('pytest'))
        answer = json.dumps(dict(vulns=[ADVISORY]) if hit else {}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def osv() -> Iterator[str]:
    """Address of such a server."""
    with ThreadingHTTPServer(('127.0.0.1', 0), Osv) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f'http://127.0.0.1:{server.server_port}/v1/query'
        server.shutdown()


@pytest.mark.skipif(not find_spec('pip_audit'), reason='no pip-audit')
def test_the_real_one_reads_an_advisory(osv):
    done = run_tool('audit.py', '--osv-url', osv)
    assert done.returncode == 1, done.stderr
    flaw = f'pytest {version("pytest")}: PYSEC-2026-1, fixed in 9999.1\n'
    assert flaw in done.stdout
    assert int(done.stdout.split(flaw)[1].split()[0]) > 10


@pytest.mark.skipif(not find_spec('pip_audit'), reason='no pip-audit')
def test_the_real_one_without_a_server():
    done = run_tool('audit.py', '--osv-url', 'http://127.0.0.1:9/v1/query')
    assert done.returncode == 2
    assert 'nothing was checked' in done.stderr
