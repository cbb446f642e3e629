"""Downloads from a server that stalls, cuts, lies and changes its mind."""
import hashlib
import io
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from file_server import closed_port, serve

from projects.zoo.cache import cached_file
from projects.zoo.hosts import resolve
from projects.zoo.transfer import (PROGRESS, DownloadError, SecureSession,
                                   check_address, transfer)

FORK = multiprocessing.get_context('fork')


def checkpoint(size=3000, seed=0):
    """Bytes of a checkpoint file."""
    torch.manual_seed(seed)
    file = io.BytesIO()
    torch.save(dict(model=dict(weight=torch.randn(size))), file)
    return file.getvalue()


CONTENT = checkpoint()
HALF = len(CONTENT) // 2
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test."""
    monkeypatch.setenv('GLIMPSE_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


@pytest.fixture(autouse=True)
def bounded():
    """No transfer hangs: each test has a minute."""

    def stop(*_):
        raise TimeoutError('the transfer did not stop by itself')

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)


def fetch(url, sha256=None, **options):
    options = dict(
        dict(allow_loopback=True, timeout=.5, retries=2, quiet=True, wait=.01),
        **options)
    return cached_file(f'{url}/file.pth', 'file.pth', sha256, **options)


def left_over(cache):
    """Files in the cache besides locks."""
    return [
        path.name for path in cache.rglob('*')
        if path.is_file() and path.name != 'lock'
    ]


def test_whole_file_once(cache, capsys):
    with serve(CONTENT) as server:
        path = fetch(server.url, quiet=False)
        assert path.read_bytes() == CONTENT
        assert fetch(server.url) == path
        assert fetch(server.url, offline=True) == path
        assert len(server.requests) == 1
    assert sorted(left_over(cache)) == ['file.pth', 'record.json']
    record = json.loads(path.with_name('record.json').read_text())
    assert record['sha256'] == DIGEST
    assert capsys.readouterr().err == ''  # a bar is for terminals


@pytest.mark.parametrize('stall', [False, True], ids=['cut', 'stalled'])
def test_broken_transfer_goes_on(stall):
    with serve(CONTENT, cut=[1000, 500], stall=stall) as server:
        assert fetch(server.url).read_bytes() == CONTENT
        assert [wanted for _, wanted in server.requests
                ] == ['', 'bytes=1000-', 'bytes=1500-']


def test_next_run_goes_on_where_this_one_gave_up():
    with serve(CONTENT, cut=[1000] * 3) as server:
        with pytest.raises(
                DownloadError,
                match='given up after 3 attempts, '
                '3000 bytes received'):
            fetch(server.url)
        assert fetch(server.url).read_bytes() == CONTENT
        assert server.requests[-1][1] == 'bytes=3000-'


def test_progress_forgives_failures():
    """A long file over a bad line: more failures than retries."""
    content = checkpoint(size=2 * PROGRESS)
    step = PROGRESS + 1000
    with serve(content, cut=[step] * 6) as server:
        path = fetch(server.url, retries=1)
        assert path.read_bytes() == content
        assert len(server.requests) == 7


def test_silence_is_bounded():
    with serve(CONTENT, cut=[0] * 9, stall=True) as server:
        begin = time.monotonic()
        with pytest.raises(DownloadError, match='given up after 3 attempts'):
            fetch(server.url, timeout=.2)
        assert time.monotonic() - begin < 5


def test_server_without_ranges_starts_anew():
    with serve(CONTENT, ranges=False, cut=[1000]) as server:
        assert fetch(server.url).read_bytes() == CONTENT


def test_server_without_versions_starts_anew():
    """The rest could be of another file."""
    with serve(CONTENT, version='', cut=[1000]) as server:
        assert fetch(server.url).read_bytes() == CONTENT
        assert [wanted for _, wanted in server.requests] == ['', '']


def test_file_that_changes_during_the_transfer():
    other = checkpoint(seed=1)
    with serve(CONTENT, cut=[1000] * 3) as server:
        with pytest.raises(DownloadError):
            fetch(server.url)
        server.content, server.version = other, '"2"'
        assert fetch(server.url).read_bytes() == other


def test_file_that_became_shorter():
    with serve(CONTENT, cut=[HALF] + [0] * 2) as server:
        with pytest.raises(DownloadError):
            fetch(server.url)
        server.content = checkpoint(size=10)
        assert fetch(server.url).read_bytes() == server.content


@pytest.mark.parametrize('length, message', [
    (HALF, r'is truncated, damaged or not a checkpoint'),
    (2 * len(CONTENT), 'given up after 3 attempts'),
])
def test_server_that_lies_about_the_length(cache, length, message):
    with serve(CONTENT, length=length, ranges=False) as server:
        with pytest.raises(DownloadError, match=message):
            fetch(server.url)
    assert 'file.pth' not in left_over(cache)
    assert 'record.json' not in left_over(cache)


@pytest.mark.parametrize('status, attempts', [([503, 429], 3), ([404], 1)])
def test_errors_of_the_server(status, attempts):
    with serve(CONTENT, status=list(status)) as server:
        if status == [404]:
            with pytest.raises(DownloadError, match='HTTP 404 Not Found'):
                fetch(server.url)
        else:
            assert fetch(server.url).read_bytes() == CONTENT
        assert len(server.requests) == attempts


def test_nobody_answers():
    with pytest.raises(DownloadError, match='given up after 3 attempts'):
        fetch(f'http://127.0.0.1:{closed_port()}')


@pytest.mark.parametrize('wrong', [CONTENT[:HALF], b'<!DOCTYPE html>', b'x'])
def test_what_is_no_checkpoint_is_not_kept(cache, wrong):
    with serve(wrong) as server:
        with pytest.raises(DownloadError, match='no checkpoint|damaged'):
            fetch(server.url)
    assert left_over(cache) == ['file.pth.part.json']


def test_hash_of_the_index(cache):
    with serve(CONTENT) as server:
        with pytest.raises(DownloadError, match=f'{DIGEST}, expected 0000'):
            fetch(server.url, '0' * 64)
        assert 'file.pth' not in left_over(cache)
        assert fetch(server.url, DIGEST).read_bytes() == CONTENT


def test_hash_of_the_first_download_binds():
    with serve(CONTENT) as server:
        path = fetch(server.url)
        path.unlink()
        server.content = checkpoint(seed=1)
        with pytest.raises(DownloadError, match='was changed'):
            fetch(server.url)
        path.write_bytes(CONTENT[:-1] + b'x')
        with pytest.raises(DownloadError, match='copy is damaged'):
            fetch(server.url)


def test_offline(cache):
    with serve(CONTENT) as server:
        with pytest.raises(DownloadError, match='not in the cache'):
            fetch(server.url, offline=True)
        assert server.requests == []


def test_redirections():
    with serve(CONTENT, redirect='/end') as server:
        assert fetch(server.url).read_bytes() == CONTENT
        assert [path for path, _ in server.requests] == ['/file.pth', '/end']


@pytest.mark.parametrize('target', [
    'http://example.org/file.pth', 'ftp://example.org/x', 'file:///etc/passwd'
])
def test_unsafe_redirections_are_refused(target):
    """None of them is contacted."""
    with serve(CONTENT, redirect=target) as server:
        with pytest.raises(DownloadError, match='not an https|No connection'):
            fetch(server.url)


def test_endless_redirections():
    with serve(CONTENT, redirect='/file.pth') as server:
        with pytest.raises(DownloadError, match='redirects'):
            fetch(server.url)
        assert len(server.requests) < 50


@pytest.mark.parametrize('url', [
    'http://example.org/x', 'http://127.0.0.1.example.org/x',
    'http://localhost/x', 'ftp://127.0.0.1/x', 'http://10.0.0.1/x'
])
def test_addresses_without_encryption(url):
    with pytest.raises(DownloadError, match='not an https'):
        check_address(url, allow_loopback=True)


def test_loopback_is_for_tests():
    with pytest.raises(DownloadError, match='not an https'):
        check_address('http://127.0.0.1/x')
    check_address('https://example.org/x')


def drive_page(action):
    """What Google Drive shows before a large file."""
    return f"""<html><body>Google Drive can't scan this file for viruses.
<form id="download-form" action="{action}" method="get"><input type="hidden" name="confirm" value="t"></form>
</body></html>""".encode()  # noqa: E501


def test_google_drive():
    """The page before a large file is passed; the file itself resumes."""
    address = 'https://drive.google.com/file/d/1AEPivXw0A0b'
    with serve(CONTENT, cut=[1000]) as server, \
            SecureSession(allow_loopback=True) as session:
        server.page = lambda: drive_page(f'{server.url}/end')
        found = resolve(address, session, 5., f'{server.url}/uc?id=')
        assert found == f'{server.url}/end?confirm=t'
        path = Path(os.environ['GLIMPSE_CACHE'])
        path.mkdir()
        transfer(found, path / 'x', session, quiet=True, wait=.01)
        assert (path / 'x').read_bytes() == CONTENT
        assert server.requests[0][0] == '/uc?id=1AEPivXw0A0b'


def test_google_drive_refuses():
    page = (b'<p class="uc-error-subcaption">Too many users have viewed or '
            b'downloaded this file recently.</p>')
    with serve(CONTENT, page=lambda: page) as server, \
            SecureSession(allow_loopback=True) as session:
        with pytest.raises(DownloadError, match='Too many users.*browser'):
            resolve('https://drive.google.com/file/d/1AE', session, 5.,
                    f'{server.url}/uc?id=')


def test_plain_addresses_are_left_alone():
    url = 'https://github.com/x/y/releases/download/v1/z.pth'
    with SecureSession() as session:
        assert resolve(url, session, 1.) == url


def in_another_process(url, results):
    results.put(fetch(url).read_bytes() == CONTENT)


def test_two_processes_want_the_same_file():
    with serve(CONTENT, cut=[1000], stall=True) as server:
        results = FORK.Queue()
        processes = [
            FORK.Process(
                target=in_another_process, args=(server.url, results))
            for _ in range(2)
        ]
        for process in processes:
            process.start()
        assert [results.get(timeout=30) for _ in processes] == [True, True]
        for process in processes:
            process.join(10)
        # one of them downloaded, in two parts
        assert len(server.requests) == 2


def test_killed_process_is_continued(cache):
    with serve(CONTENT, cut=[1000], stall=True) as server:
        process = FORK.Process(
            target=fetch, args=(server.url, ), kwargs=dict(timeout=30))
        process.start()
        deadline = time.monotonic() + 20
        while not any(path.stat().st_size for path in cache.rglob('*.part')):
            assert time.monotonic() < deadline
            time.sleep(.02)
        os.kill(process.pid, signal.SIGKILL)
        process.join(10)
        server.stop.set()
        assert fetch(server.url).read_bytes() == CONTENT
        assert server.requests[-1][1].startswith('bytes=')
