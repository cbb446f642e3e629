"""The page in a real browser, driven as by a person."""
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import Page, served, tiny_models
from PIL import Image

from projects.app.models import Models

sync_api = pytest.importorskip(
    'playwright.sync_api', reason='playwright is not installed: make setup')
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f'no browser on the PATH: {", ".join(BROWSERS)}')
ARGUMENTS = [
    '--no-sandbox', '--disable-gpu', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--no-first-run'
]


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    models = tiny_models(
        tmp_path_factory.mktemp('models'), 'convmae', 'mae', 'mimdet')
    with served(models) as page:
        yield page


class Visitor:
    """A tab that notes what it loads and what goes wrong in it."""

    def __init__(self, browser: Any, page: Page) -> None:
        self.address = f'http://127.0.0.1:{page.port}/'
        self.tab = browser.new_page(viewport=dict(width=1280, height=760))
        self.loaded: list[str] = []
        self.complaints: list[str] = []
        self.tab.on('request', lambda request: self.loaded.append(request.url))
        self.tab.on('console', lambda said: self.complaints.append(said.text))
        self.tab.on('pageerror', lambda e: self.complaints.append(str(e)))
        self.tab.goto(self.address)
        self.settle()

    def settle(self) -> None:
        """Wait for the answer to the last action."""
        self.tab.wait_for_selector('body[data-state=ready]', timeout=60_000)

    def shown(self) -> dict[str, str]:
        """Sources of the pictures by their names."""
        return {
            figure.get_attribute('data-name'):
            figure.locator('img').get_attribute('src')
            for figure in self.tab.locator('#pictures figure').all()
        }

    def note(self) -> str:
        """What the page says below the controls."""
        return self.tab.locator('#note').inner_text()

    def move(self, slider: str, value: str) -> None:
        """Move a slider."""
        self.tab.fill(slider, value)
        self.settle()

    def open(self, view: str) -> None:
        """Go to a view."""
        self.tab.click(f'nav button[data-view={view}]')
        self.settle()

    def click(self, name: str, x: float, y: float) -> None:
        """Click a picture at shares of its width and height."""
        image = self.tab.locator(f'#pictures figure[data-name="{name}"] img')
        box = image.bounding_box()
        image.click(position=dict(x=x * box['width'], y=y * box['height']))
        self.settle()


@pytest.fixture
def visitor(browser: Any, page: Page) -> Iterator[Visitor]:
    visitor = Visitor(browser, page)
    yield visitor
    visitor.tab.context.close()
    # blobs are pictures that the page itself holds
    assert all(
        url.startswith((visitor.address, 'data:', f'blob:{visitor.address}'))
        for url in visitor.loaded), visitor.loaded
    assert not visitor.complaints


def hidden(note: str) -> int:
    """Number of hidden patches that a note tells."""
    found = re.match(r'(\d+) of 16 patches are hidden', note)
    assert found, note
    return int(found[1])


def test_reconstruct(visitor: Visitor, tmp_path: Path) -> None:
    """Upload, move the slider, click patches, and take an embedded picture."""
    first = visitor.shown()
    assert list(first) == ['original', 'masked', 'reconstruction', 'pasted']
    assert hidden(visitor.note()) == 12

    file = tmp_path / 'own.png'
    Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 90).save(file)
    visitor.tab.set_input_files('#file', file)
    visitor.settle()
    uploaded = visitor.shown()
    assert all(uploaded[name] != first[name] for name in first)

    visitor.move('#mask', '0.25')
    moved = visitor.shown()
    assert hidden(visitor.note()) == 4
    assert moved['original'] == uploaded['original']
    assert moved['reconstruction'] != uploaded['reconstruction']

    visitor.click('masked', .1, .1)
    once = visitor.shown()
    assert abs(hidden(visitor.note()) - 4) == 1
    assert once['masked'] != moved['masked']
    visitor.click('masked', .1, .1)
    assert visitor.shown() == moved

    visitor.tab.click('#again')
    visitor.settle()
    assert hidden(visitor.note()) == 4
    assert visitor.shown()['masked'] != moved['masked']

    visitor.tab.select_option('#model', 'mae')
    visitor.settle()
    assert hidden(visitor.note()) == 4
    assert visitor.shown()['reconstruction'] != moved['reconstruction']

    visitor.tab.click('#examples button >> nth=2')
    visitor.settle()
    assert visitor.shown()['original'] != moved['original']


def test_detect(visitor: Visitor) -> None:
    visitor.open('detect')
    visitor.move('#score', '0')
    half = visitor.shown()
    assert list(half) == ['detections', 'seen']
    assert 'The encoder saw 50% of the tokens' in visitor.note()
    visitor.move('#sampling', '1')
    whole = visitor.shown()
    assert 'The encoder saw 100% of the tokens' in visitor.note()
    assert all(whole[name] != half[name] for name in half)
    visitor.move('#score', '0.95')
    assert 'with a score above 0.95' in visitor.note()
    assert visitor.shown()['seen'] == whole['seen']


def test_attend(visitor: Visitor) -> None:
    visitor.open('attend')
    middle = visitor.shown()
    assert list(middle) == ['point', 'overlay', 'attention']
    visitor.click('point', .1, .2)
    corner = visitor.shown()
    assert all(corner[name] != middle[name] for name in middle)
    visitor.tab.select_option('#size', '64')
    visitor.settle()
    assert 'as 4 x 4 tokens' in visitor.note()
    visitor.tab.select_option('#model', 'mae')
    visitor.settle()
    assert 'class token' in visitor.shown()


def test_what_is_no_picture_is_explained(browser: Any, page: Page,
                                         tmp_path: Path) -> None:
    visitor = Visitor(browser, page)
    before = visitor.shown()
    file = tmp_path / 'broken.png'
    for content, said in ((b'hello', 'Accepted are JPEG, PNG'),
                          (b'\0' * (11 * 2**20), 'more than 10485760 bytes')):
        file.write_bytes(content)
        visitor.tab.set_input_files('#file', file)
        visitor.settle()
        assert said in visitor.note()
    assert visitor.shown() == before
    # the browser notes the refusal, and nothing else
    assert len(visitor.complaints) == 1 and '400' in visitor.complaints[0]
    visitor.move('#mask', '0.5')  # the picture before is still there
    assert hidden(visitor.note()) == 8
    visitor.tab.context.close()


def test_fast_moves_end_at_the_last_one(visitor: Visitor) -> None:
    for value in ('0.25', '0.5', '0.3', '0.9', '0.75', '0.25'):
        visitor.tab.fill('#mask', value)
    visitor.settle()
    assert hidden(visitor.note()) == 4
    visitor.tab.reload()
    visitor.settle()
    assert not visitor.tab.context.cookies()


def test_without_models(browser: Any) -> None:
    with served(Models([]), hint='Run "make demo" first.') as page:
        visitor = Visitor(browser, page)
        assert visitor.tab.locator('#hint').inner_text() == \
            'Run "make demo" first.'
        assert 'make demo' in visitor.note()
        assert not visitor.shown() and not visitor.complaints
        visitor.tab.context.close()
