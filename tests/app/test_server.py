"""The page over HTTP: what it gives, and what it refuses."""
import contextlib
import io
import random
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest
import torch
from mutate import mutate_bytes
from pages import Page, served, tiny_models
from PIL import Image
from tiny_recipes import PRETRAINING, tiny_config

from projects.app import server
from projects.app.choices import Choice
from projects.app.models import Models
from projects.app.pictures import MAX_BYTES, draw_example, to_png
from projects.app.server import TYPE

PICTURE = to_png(draw_example('scene'))
REFUSED = range(400, 500)


@pytest.fixture(scope='module')
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    models = tiny_models(tmp_path_factory.mktemp('models'), 'convmae')
    with served(models) as page:
        yield page


@pytest.fixture(scope='module')
def bare() -> Iterator[Page]:
    with served(Models([]), hint='run make demo', body_seconds=1) as page:
        yield page


def test_page_loads_nothing_from_elsewhere(page: Page) -> None:
    for path in ('/', '/page/app.js', '/page/style.css', '/page/icon.svg'):
        status, body, headers = page.ask('GET', path)
        assert status == 200
        text = body.decode().replace('http://www.w3.org/2000/svg', '')
        assert '//' not in text.replace('// ', '') and '@import' not in text
        assert "default-src 'self'" in headers['content-security-policy']
        assert headers['cache-control'] == 'no-store'
        assert headers['x-content-type-options'] == 'nosniff'
        assert 'server' not in headers and 'set-cookie' not in headers


def test_overview_and_examples(page: Page, bare: Page) -> None:
    status, body, _ = page.ask('GET', '/api/overview')
    assert status == 200 and b'"reconstruct":["convmae"]' in body
    assert b'"hint":""' in body
    assert b'run make demo' in bare.ask('GET', '/api/overview')[1]
    status, body, headers = page.ask('GET', '/api/examples/rings')
    assert headers['content-type'] == 'image/png'
    with Image.open(io.BytesIO(body)) as image:
        assert image.size == (256, 256)
    assert page.ask('GET', '/api/examples/none')[0] == 404


def test_upload_and_view(page: Page) -> None:
    status, png = page.post('/api/picture', PICTURE)
    assert status == 200 and png == PICTURE
    status, answer = page.post(
        '/api/reconstruct', png, model='convmae', ratio=.5)
    assert status == 200
    assert list(answer['pictures']) == [
        'original', 'masked', 'reconstruction', 'pasted'
    ]
    assert len(answer['hidden']) == 8


@pytest.mark.parametrize('view, query, said', [
    ('detect', dict(model='convmae'), 'there is no model'),
    ('reconstruct', dict(model='../../etc/passwd'), 'there is no model'),
    ('reconstruct', {}, "there is no model ''"),
    ('reconstruct', dict(model='convmae', ratio='x'), 'a number from'),
])
def test_wrong_questions(page: Page, view: str, query: dict,
                         said: str) -> None:
    status, answer = page.post(f'/api/{view}', PICTURE, **query)
    assert status == 400 and said in answer['error']


def test_unknown_places(page: Page) -> None:
    assert page.post('/api/nothing', PICTURE)[0] == 404
    assert page.ask('GET', '/api/reconstruct')[0] == 405
    assert page.ask('DELETE', '/')[0] == 405
    assert page.ask('POST', '/page/app.js')[0] == 405


def test_only_asked_by_its_own_page(page: Page) -> None:
    """Another site may send forms and texts, or have its name lead here."""
    for kind in ('text/plain', 'multipart/form-data; boundary=x',
                 'application/x-www-form-urlencoded', 'image/png'):
        assert page.ask('POST', '/api/picture', PICTURE,
                        {'Content-Type': kind})[0] == 415
    for host, status in (('evil.example', 400), ('127.0.0.1.evil.example',
                                                 400), ('', 400),
                         (f'localhost:{page.port}', 200), ('[::1]', 200)):
        assert page.ask('GET', '/', headers=dict(Host=host))[0] == status
    _, _, headers = page.ask('GET', '/', headers=dict(Origin='http://a.b'))
    assert 'access-control-allow-origin' not in headers


def test_other_hosts_on_request(tmp_path: Path) -> None:
    for host, named, status in (('0.0.0.0', 'any.example',
                                 200), ('box.example', 'box.example', 200),
                                ('box.example', 'any.example', 400)):
        with served(Models([]), host=host) as page:
            assert page.ask('GET', '/', headers=dict(Host=named))[0] == status


TARGETS = ('etc/passwd', 'server.py', 'pictures.py', 'setup.cfg')
STEPS = ('..', '%2e%2e', '%252e%252e', '..%2f', '..\\', '%c0%ae%c0%ae', '....',
         '.%00.', '')


def escapes() -> Iterator[str]:
    """Paths that try to leave the folder of the page."""
    for target in TARGETS:
        for start in ('/page/', '/', '/api/', '/api/examples/', '/page'):
            for step in STEPS:
                for depth in (1, 2, 8):
                    yield start + f'{step}/' * depth + target
        yield f'/gradio_api/file=/{target}'
        yield f'/file=/{target}'
        yield f'/page//{target}'
        yield f'/page/{target}%00.js'
    yield '/page/' + 'a' * 5000
    yield '/page'
    yield '/page/'
    yield f'/page/{server.PAGE / "../server.py"}'
    yield f'/page/%2f{server.PAGE}/app.js'


def test_no_path_leaves_the_folder(page: Page) -> None:
    count = 0
    for path in escapes():
        status, body, _ = page.ask('GET', path)
        if path == '/page':  # a folder; the browser is sent to /page/
            assert status in (307, 404)
            continue
        assert status in REFUSED, path
        assert b'root:' not in body and b'import' not in body, path
        count += 1
    assert count > 500
    assert page.ask('GET', '/')[0] == 200


def test_too_large(page: Page, tmp_path: Path) -> None:
    """Refused by what is announced, and by what arrives."""
    status, answer = page.post('/api/picture', b'\0' * (MAX_BYTES + 1))
    assert status == 413 and str(MAX_BYTES) in answer['error']
    with pipe(page) as line:
        line.sendall(head('Content-Length: 99999999999999999999'))
        assert b'413' in line.recv(100)
    with pipe(page) as line:
        line.sendall(head('Transfer-Encoding: chunked'))
        chunk = b'100000\r\n' + b'\0' * 0x100000 + b'\r\n'
        with contextlib.suppress(ConnectionError):  # it may close meanwhile
            for _ in range(60):
                line.sendall(chunk)
        with contextlib.suppress(ConnectionError):
            assert b'413' in line.recv(100)
    status, answer = page.post('/api/picture', b'')
    assert status == 400 and 'empty' in answer['error']


def head(*lines: str) -> bytes:
    """Start of a request that brings a picture."""
    return '\r\n'.join([
        'POST /api/picture HTTP/1.1', 'Host: localhost',
        f'Content-Type: {TYPE}', *lines, '', ''
    ]).encode()


@contextlib.contextmanager
def pipe(page: Page) -> Iterator[socket.socket]:
    """A plain connection."""
    with socket.create_connection(('127.0.0.1', page.port), 20) as line:
        yield line


def test_slow_and_broken_transfers(bare: Page) -> None:
    with pipe(bare) as line:
        line.sendall(head('Content-Length: 100') + b'some')
        assert b'408' in line.recv(100)  # after a second of silence
    with pipe(bare) as line:
        line.sendall(head('Content-Length: 100') + b'some')
    assert bare.post('/api/picture', PICTURE)[0] == 200


def test_nothing_is_kept(page: Page, tmp_path: Path,
                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even in a temporary file that is deleted later."""
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    before = tmp_path.stat().st_mtime_ns
    large = io.BytesIO()
    Image.effect_noise((1500, 1500), 80).save(large, 'BMP')
    assert page.post('/api/picture', large.getvalue())[0] == 200
    assert page.post(
        '/api/reconstruct', large.getvalue(), model='convmae')[0] == 200
    assert page.post('/api/picture', b'no image')[0] == 400
    assert tmp_path.stat().st_mtime_ns == before
    assert not list(tmp_path.iterdir())


def test_many_at_once(page: Page) -> None:
    """Each gets its own answer; too many are refused and the page lives."""

    def ask(ratio: float) -> tuple[int, int, float]:
        status, answer = page.post(
            '/api/reconstruct', PICTURE, model='convmae', ratio=ratio)
        return status, len(answer.get('hidden', ())), 16 * ratio

    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(ask, [.25, .5, .75] * 12))
    assert {status for status, _, _ in answers} <= {200, 503}
    assert sum(status == 200 for status, _, _ in answers) >= 9
    assert all(found == wanted for status, found, wanted in answers
               if status == 200)


def test_full_queue(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, 'WAITING', 0)
    status, answer = page.post('/api/picture', PICTURE)
    assert status == 503 and 'too many' in answer['error']


def fuzz_pictures(page: Page, count: int) -> None:
    """Mutated files of every format: a picture or one sentence."""
    chance = random.Random(0)
    seeds = []
    for kind in ('PNG', 'JPEG', 'WEBP', 'GIF', 'BMP', 'TIFF', 'EPS'):
        file = io.BytesIO()
        Image.fromarray(draw_example('rings')[::4, ::4]).save(file, kind)
        seeds.append(file.getvalue())
    statuses = []
    for index in range(count):
        content = mutate_bytes(seeds[index % len(seeds)], chance)
        path = ('/api/picture', '/api/reconstruct')[index % 2]
        status, answer = page.post(path, content, model='convmae')
        assert status in (200, 400), (index, status)
        assert status == 200 or len(answer['error']) > 10
        statuses.append(status)
    assert set(statuses) == {200, 400}


def fuzz_queries(page: Page, count: int) -> None:
    """Strange parameters: an answer or one sentence."""
    chance = random.Random(1)
    values = ['', '0', '1', '-1', '.5', '1e999', 'nan', '٣', '0' * 5000, '1,2',
              ',', '..', '\0', '%', '{}', "'", 'convmae', 'null',
              '9' * 400]  # yapf: disable
    names = ['model', 'ratio', 'seed', 'hidden', 'x', 'y', 'size', 'score']
    for _ in range(count):
        query = [('model', 'convmae')] if chance.random() < .8 else []
        query += [(chance.choice(names), chance.choice(values))
                  for _ in range(chance.randint(0, 3))]
        view = chance.choice(['reconstruct', 'attend', 'detect', 'picture'])
        status, _, _ = page.ask('POST', f'/api/{view}?{urlencode(query)}',
                                PICTURE, {'Content-Type': TYPE})
        assert status in (200, 400), query


def fuzz_requests(page: Page, count: int) -> None:
    """Mutated bytes on the line: an answer or a closed connection."""
    chance = random.Random(2)
    request = head(f'Content-Length: {len(PICTURE)}') + PICTURE
    for _ in range(count):
        content = mutate_bytes(request[:400], chance) + request[400:]
        with pipe(page) as line, contextlib.suppress(ConnectionError):
            line.sendall(content)
            line.shutdown(socket.SHUT_WR)
            answer = line.recv(20)
            assert not answer or answer[:8] == b'HTTP/1.1'
            assert answer[9:12] != b'500', content[:400]


@pytest.mark.parametrize('fuzz', [fuzz_pictures, fuzz_queries, fuzz_requests])
@pytest.mark.parametrize('count',
                         [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_fuzz(page: Page, fuzz, count: int) -> None:
    fuzz(page, count)
    assert page.post('/api/picture', PICTURE) == (200, PICTURE)
    status, _ = page.post('/api/reconstruct', PICTURE, model='convmae')
    assert status == 200


class Intruder:
    """An object whose unpickling creates a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.mkdir, (self.trace, )


@pytest.mark.parametrize('view', ['reconstruct', 'attend'])
def test_checkpoints_run_no_code(tmp_path: Path, view: str) -> None:
    config = tiny_config(PRETRAINING, tmp_path)
    file, trace = tmp_path / 'planted.pth', tmp_path / 'trace'
    torch.save(dict(state_dict={'backbone.a': Intruder(trace)}), file)
    with served(Models([Choice('planted', str(config), str(file))])) as page:
        status, answer = page.post(f'/api/{view}', PICTURE, model='planted')
    assert status == 400
    assert 'not loaded for safety' in answer['error']
    assert not trace.exists()
