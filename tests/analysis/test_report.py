"""A work folder as one page, from a training by the real tools."""
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from tiny_recipes import CLASSIFIER, tiny_config
from tooling import run_tool

from projects.analysis.work_folder import find_runs
from projects.demo.job import use_shapes
from projects.shapes import Recipe, make_dataset

ATTACK = '</pre><script>alert(1)</script><img src=x onerror=alert(2)>'


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ''
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Collect a tag."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data

    def values(self, name: str) -> list[str]:
        """Of an attribute."""
        return [value for key, value in self.attributes if key == name]


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of ten steps that was validated twice, and its test."""
    folder = tmp_path_factory.mktemp('run')
    make_dataset(folder / 'shapes', Recipe('smoke', parts=('cls', )), jobs=1)
    config = tiny_config(CLASSIFIER, folder)
    cfg = Config.fromfile(config)
    use_shapes(cfg, folder / 'shapes')
    cfg.merge_from_dict({
        'train_cfg.max_iters': 10,
        'train_cfg.val_interval': 5,
        'default_hooks.logger.interval': 2,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'val_dataloader.num_workers': 0,
        'test_dataloader.num_workers': 0,
        'title': ATTACK
    })
    cfg.dump(config)
    work_dir = folder / 'work'
    for args in (('train.py', config, '--work-dir', work_dir),
                 ('test.py', config, work_dir / 'iter_10.pth', '--work-dir',
                  work_dir / 'tested', '--out', work_dir / 'tested.json')):
        done = run_tool(*args)
        assert done.returncode == 0, done.stderr
    return work_dir


@pytest.fixture
def work_dir(trained: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return shutil.copytree(trained, tmp_path / 'work')


def report(folder: Path, *args) -> tuple[Page, str]:
    out = folder.parent / 'pages/report.html'
    done = run_tool('analysis/report.py', folder, '--out', out, *args)
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    return Page(text), text


def check_is_alone(page: Page) -> None:
    """Nothing in it is executed or loaded."""
    assert not {'script', 'link', 'iframe', 'object', 'embed', 'base'
                }.intersection(page.tags)
    assert all(value.startswith('data:image/') for value in page.values('src'))
    assert all(value.startswith('#') for value in page.values('href'))
    assert not [name for name, _ in page.attributes if name.startswith('on')]
    (policy, ) = [
        value for value in page.values('content') if 'default-src' in value
    ]
    assert policy.startswith("default-src 'none';")


def test_a_training(work_dir: Path) -> None:
    page, text = report(work_dir)
    check_is_alone(page)
    assert 'url(' not in text and '@import' not in text
    curves = [name for name in page.values('alt') if name.startswith('curve')]
    assert set(curves) == {
        f'curve of {name}'
        for name in ('loss', 'lr', 'time', 'data_time', 'accuracy/top1')
    }
    (run, tested) = find_runs(work_dir)
    assert (run.name, tested.name) == ('work', 'tested')
    assert [item.step for item in run.validations] == [5, 10]
    for validation in run.validations:
        assert f'{validation.metrics["accuracy/top1"]:.5g}' in page.text
    accuracy = json.loads((work_dir / 'tested.json').read_text())
    assert list(run.tests) == ['tested.json']
    assert run.tests['tested.json'] == accuracy
    assert list(tested.tests.values()) == [accuracy]
    assert len(run.entries) == 5
    assert f'{run.entries[-1]["loss"]:.5g}' in page.text
    assert run.environment['PyTorch'] and run.environment['seed'] == '0'
    for words in ('Environment', 'PyTorch', 'MMEngine', 'iter_10.pth',
                  "type='LinearClsHead'", 'tested.json'):
        assert words in page.text, words


def test_names_and_configs_are_only_text(work_dir: Path) -> None:
    pictures = work_dir / 'vis'
    pictures.mkdir()
    name = '<img src=x onerror=alert(2)>&amp;.png'
    Image.new('RGB', (8, 8)).save(pictures / name)
    (pictures / '<script>.jpg').write_text('no picture')
    log = next(work_dir.glob('*/vis_data/scalars.json'))
    entry = {'loss_<script>$x': 1., 'iter': 11, 'step': 11, 'lr': 0.}
    log.write_text(log.read_text() + json.dumps(entry) + '\n')
    (work_dir / 'results.md').write_text(ATTACK)
    page, text = report(work_dir)
    check_is_alone(page)
    assert page.text.count('<script>alert(1)</script>') == 3
    assert f'vis/{name}' in page.text and f'vis/{name}' in page.values('alt')
    assert 'loss_<script>$x' in page.text
    assert 'vis/<script>.jpg: cannot be shown: ' in page.text
    assert '<script' not in text


def test_pictures_are_bounded(work_dir: Path) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (1200, 2000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(work_dir / 'a.png')
    for number in range(5):
        Image.new('RGB', (9, 9)).save(work_dir / f'b{number}.JPG')
    page, text = report(work_dir, '--max-pictures', 3)
    shown = [name for name in page.values('alt') if 'curve' not in name]
    assert shown == ['a.png', 'b0.JPG', 'b1.JPG']
    assert '3 more' in page.text and 'b4.JPG' in page.text
    assert len(text) < 4_000_000 < (work_dir / 'a.png').stat().st_size


def test_several_runs(work_dir: Path) -> None:
    shutil.copytree(work_dir, work_dir.parent / 'all/second run')
    shutil.move(work_dir, work_dir.parent / 'all/first')
    folder = work_dir.parent / 'all'
    Image.new('RGB', (9, 9)).save(folder / 'beside.png')
    (folder / 'images').mkdir()
    Image.new('RGB', (9, 9)).save(folder / 'images/data.png')
    page, _ = report(folder)
    check_is_alone(page)
    assert [run.name for run in find_runs(folder)
            ] == ['first', 'first/tested', 'second run', 'second run/tested']
    assert page.values('href') == [f'#run-{n}' for n in range(1, 5)]
    assert set(
        page.values('href')) == {f'#{name}'
                                 for name in page.values('id')}
    assert 'beside.png' in page.text and 'data.png' not in page.text


def test_a_run_that_was_killed(work_dir: Path) -> None:
    """While it wrote a line of the log; and one that was resumed."""
    log = next(work_dir.glob('*/vis_data/scalars.json'))
    log.write_text(log.read_text() + '{"loss": 1.0, "it')
    again = work_dir / '29990101_000000/vis_data'
    again.mkdir(parents=True)
    (again / 'scalars.json'
     ).write_text('{"loss": NaN, "iter": 12, "step": 12, "lr": 0.1}\n')
    page, _ = report(work_dir)
    (run, _) = find_runs(work_dir)
    assert len(run.starts) == 2 and len(run.entries) == 6
    assert 'nan' in page.text


def test_what_is_no_work_folder(work_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / 'page.html'

    def message(folder: Path) -> str:
        done = run_tool('analysis/report.py', folder, '--out', out)
        assert done.returncode == 1
        assert done.stderr.count('error: ') == 1
        assert 'Traceback' not in done.stderr
        assert not out.exists()
        return done.stderr

    assert 'nowhere does not exist' in message(tmp_path / 'nowhere')
    assert 'iter_10.pth is a file; the work directory' in message(
        work_dir / 'iter_10.pth')
    (tmp_path / 'empty').mkdir()
    assert 'no run in' in message(tmp_path / 'empty')
    log = next(work_dir.glob('*/vis_data/scalars.json'))
    log.write_text('hello\n')
    assert "line 1 is no entry of a training log: 'hello'" in message(work_dir)
