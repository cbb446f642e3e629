"""The demonstration, on shapes and on folders as users have them."""
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from tooling import ROOT, run_tool

from projects.demo import methods, plan
from projects.demo.data import find_images
from projects.demo.report import format_report
from projects.demo.steps import (Record, Step, StepError, progress_of,
                                 read_record, run_steps)
from projects.shapes import CLASSES, PARTS, Recipe, make_dataset


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 training and 32 test images in class folders."""
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    make_dataset(folder, Recipe('smoke', parts=('cls', )), jobs=1)
    return folder / 'cls'


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of small images with the given names."""

    def make(*names: str) -> Path:
        for number, name in enumerate(names):
            path = tmp_path / 'tree' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (64, 64), (number, 0, 0)).save(path)
        return tmp_path / 'tree'

    return make


# What a folder holds


def test_class_folders_are_split(tree: Callable[..., Path]) -> None:
    names = [f'{kind}/{n}.png' for kind in ('b', 'a c') for n in range(7)]
    images = find_images(tree(*names, 'notes.txt.png/x.png'))
    assert images.classes == ('a c', 'b', 'notes.txt.png')
    assert images.val == ('a c/1.png 0', 'a c/6.png 0', 'b/1.png 1',
                          'b/6.png 1')
    assert sorted(images.train + images.val) == sorted(
        [*(f'{name} {0 if name[0] == "a" else 1}' for name in names),
         'notes.txt.png/x.png 2'])  # yapf: disable


@pytest.mark.parametrize('held_out', ['val', 'test'])
def test_splits_of_the_user_are_kept(tree: Callable[..., Path],
                                     held_out: str) -> None:
    root = tree('train/a/1.png', 'train/b/1.JPG', 'train/b/deep/2.png',
                f'{held_out}/b/3.png', 'extra/a/4.png')
    images = find_images(root)
    assert images.train == ('train/a/1.png 0', 'train/b/1.JPG 1',
                            'train/b/deep/2.png 1')
    assert images.val == (f'{held_out}/b/3.png 1', )
    assert images.shown == root / held_out


def test_train_folder_alone_is_split(tree: Callable[..., Path]) -> None:
    images = find_images(
        tree(*(f'train/{k}/{n}.png' for k in 'ab' for n in range(2))))
    assert images.train == ('train/a/0.png 0', 'train/b/0.png 1')
    assert images.val == ('train/a/1.png 0', 'train/b/1.png 1')


@pytest.mark.parametrize('names', [('1.png', '2.png'),
                                   ('one/1.png', 'one/2.png'),
                                   ('a/1.png', 'b/2.png', '3.png')])
def test_no_classes(tree: Callable[..., Path], names: tuple[str, ...]) -> None:
    images = find_images(tree(*names))
    assert (images.classes, images.val) == ((), ())
    assert sorted(images.train) == sorted(names)


def test_few_images_are_of_all_classes(tree: Callable[..., Path]) -> None:
    images = find_images(
        tree(*(f'{kind}/{n}.png' for kind in 'abc' for n in range(10))))
    few = images.few(6, 5)
    assert set(few.train) < set(images.train) and few.root == images.root
    assert [line.split()[-1] for line in few.train] == list('001122')
    assert [line.split()[-1] for line in few.val] == list('00112')
    assert images.few(99, 99) == images


def test_data_set_reads_the_lists(shapes: Path, tmp_path: Path) -> None:
    """As those of the folders, image by image."""
    from mmpretrain.datasets import CustomDataset
    find_images(shapes).write(tmp_path)
    for split in ('train', 'val'):
        listed = CustomDataset(
            data_root=str(shapes), ann_file=str(tmp_path / f'{split}.txt'))
        folders = CustomDataset(data_root=str(shapes), data_prefix=split)
        assert [(listed[i]['img_path'], listed[i]['gt_label'])
                for i in range(len(listed))] == [(folders[i]['img_path'],
                                                  folders[i]['gt_label'])
                                                 for i in range(len(folders))]


def fails(*args) -> str:
    done = run_tool('demo.py', *args)
    assert done.returncode == 1
    assert done.stderr.count('error: ') == 1
    assert 'Traceback' not in done.stderr
    return done.stderr


def test_bad_data(tree: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / 'out'

    def message(data: Path) -> str:
        found = fails('--quick', '--data', data, '--out', out)
        assert not out.exists()
        return found

    assert 'nowhere does not exist' in message(tmp_path / 'nowhere')
    file = tmp_path / 'file.zip'
    file.write_text('')
    assert 'file.zip is a file; a folder of images' in message(file)
    (tmp_path / 'empty').mkdir()
    assert 'no image in' in message(tmp_path / 'empty')
    root = tree('train/a/1.png', 'train/b/1.png', 'val/c/1.png')
    assert "val has 'c', which is none of them" in message(root)
    shutil.rmtree(root)
    assert 'a single image' in message(tree('a/1.png', 'b/1.png'))


def test_results_are_not_mixed(tree: Callable[..., Path],
                               tmp_path: Path) -> None:
    data = tree('1.png')
    foreign = tmp_path / 'photos'
    foreign.mkdir()
    (foreign / 'mine.txt').write_text('mine')
    assert 'photos has files of something else' in fails(
        '--data', data, '--out', foreign)
    assert [path.name for path in foreign.iterdir()] == ['mine.txt']
    out = tmp_path / 'out'
    plan.claim(out, plan.Settings('convmae', seed=1))
    assert 'results of other settings ({ "method": "convmae"' in fails(
        '--seed', 2, '--out', out)


def test_methods_without_images_take_none(
        tree: Callable[..., Path], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods.load('convmae'), 'PARTS', ('det', ))
    assert '--method convmae has no use for images' in fails(
        '--data', tree('1.png'), '--out', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


# Plans


def test_every_method_has_parts_and_a_plan() -> None:
    assert 'convmae' in methods.names()
    for name in methods.names():
        method = methods.load(name)
        assert callable(method.plan) and set(method.PARTS) <= set(PARTS)


def test_embedded_data_is_for_all_evaluations(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every training reads what was drawn and starts from the pretraining."""
    # configs are written as they are: formatting takes a second each
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_:
                        (text, False))
    make_dataset(
        tmp_path / 'shapes',
        Recipe('smoke', parts=methods.load('convmae').PARTS),
        jobs=1)
    settings = plan.Settings('convmae', quick=True, seed=7)
    demo = plan.Demo(settings, tmp_path, find_images(tmp_path / 'shapes/cls'))
    methods.load('convmae').plan(demo)
    assert len({step.name for step in demo.steps}) == len(demo.steps)
    labels = {
        row.what: ', '.join(metric.label for metric in row.metrics)
        for row in demo.rows
    }
    assert labels == {
        'pretraining': '',
        'kNN': 'top-1',
        'linear probe': 'top-1',
        'fine-tuning': 'top-1',
        'Mask R-CNN': 'box AP, mask AP',
        'UperNet': 'mIoU'
    }
    files = sorted((tmp_path / 'configs').iterdir())
    assert len(files) == 9
    for file in files:
        cfg = Config.fromfile(file, import_custom_modules=False)
        assert cfg.randomness.seed == 7
        assert 'data/shapes' not in str(cfg.test_evaluator)
        root = Path(cfg.train_dataloader.dataset.data_root)
        assert root.is_dir() and tmp_path in root.parents
        last = cfg.train_cfg.max_iters
        assert last == cfg.train_cfg.val_interval <= plan.QUICK_PRETRAINING
        ends = [scheduler.end for scheduler in cfg.param_scheduler]
        assert 0 < min(ends) < max(ends) <= last + 1
        init_cfg = cfg.model.backbone.get('init_cfg')
        if file.stem.endswith('pretrained'):
            assert init_cfg.checkpoint == str(tmp_path /
                                              'pretrain/iter_100.pth')
        else:
            assert init_cfg is None


# Steps


def test_a_step_that_fails(tmp_path: Path,
                           capsys: pytest.CaptureFixture) -> None:
    """It is named, is not done, and the ones before it stay done."""
    good = Step('good', 'Draw shapes', 'datasets/make_shapes.py',
                (str(tmp_path / 'shapes'), '--parts', 'cls'))
    bad = Step('bad', 'Draw', 'analysis/analyze_logs.py', ('missing', ))
    with pytest.raises(StepError) as raised:
        run_steps([good, bad], tmp_path)
    assert 'no log of a run in missing' in str(raised.value)
    assert str(tmp_path / 'bad.log') in str(raised.value)
    assert 'shapes: made' in (tmp_path / 'good.log').read_text()
    assert read_record(tmp_path, good).done
    assert not read_record(tmp_path, bad).done

    before = read_record(tmp_path, bad).seconds
    assert before > 0
    capsys.readouterr()
    with pytest.raises(StepError):
        run_steps([good, bad], tmp_path)
    assert 'Draw shapes: done before' in capsys.readouterr().out
    assert (tmp_path / 'good.log').read_text().count('$ ') == 1
    assert (tmp_path / 'bad.log').read_text().count('$ ') == 2
    assert read_record(tmp_path, bad).seconds > before


def test_progress_is_read_from_the_log() -> None:
    line = ('11/21 13:39:50 - mmengine - INFO - Iter(train) [ 25/100]  '
            'base_lr: 1.4709e-03 lr: 1.4709e-03  eta: 1 day, 0:00:30  time: '
            '0.3769  data_time: 0.0270  loss: 1.0806')
    assert progress_of(line) == '[ 25/100] eta: 1 day, 0:00:30 loss: 1.0806'
    assert progress_of('Iter(val) [2/2]  accuracy/top1: 16.2500') is None


# All of it


def test_unlabelled_images(tmp_path: Path) -> None:
    """Pretraining and pictures, in processes of their own; once."""
    data, out = tmp_path / 'photos', tmp_path / 'out'
    data.mkdir()
    noise = np.random.default_rng(0).integers(
        0, 256, (6, 40, 90, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(data / f'{number}, a photo.png')
    arguments = ['--quick', '--data', data, '--out', out]
    done = run_tool('demo.py', *arguments)
    assert done.returncode == 0, done.stderr
    assert '6 unlabelled images' in done.stdout
    assert {path.name
            for path in out.glob('*.png')
            } == {'reconstructions.png', 'curves_pretraining.png'}
    table = (out / 'results.md').read_text()
    assert table in done.stdout + '\n'
    assert '| pretraining' in table and 'kNN' not in table

    checkpoint = out / f'pretrain/iter_{plan.QUICK_PRETRAINING}.pth'
    written = checkpoint.stat().st_mtime_ns
    (out / 'steps/reconstructions.json').unlink()
    (out / 'reconstructions.png').unlink()
    again = run_tool('demo.py', *arguments)
    assert again.returncode == 0, again.stderr
    assert 'Pretrain without labels: done before' in again.stdout
    assert checkpoint.stat().st_mtime_ns == written
    assert (out / 'reconstructions.png').exists()


@pytest.mark.parametrize('method, evaluations', [
    ('convmae', ['kNN', 'linear probe', 'fine-tuning']),
    ('extrema',
     ['kNN', 'linear probe', 'kNN, patches', 'linear probe, patches']),
])
def test_labelled_images(method: str, evaluations: list[str], shapes: Path,
                         tmp_path: Path,
                         monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of all steps work and end in a table."""
    monkeypatch.setattr(plan, 'QUICK_PRETRAINING', 10)
    monkeypatch.setattr(plan, 'QUICK_TRAINING', 10)
    settings = plan.Settings(method, str(shapes), quick=True, seed=3)
    demo = plan.Demo(settings, tmp_path, find_images(shapes))
    methods.load(method).plan(demo)
    records = {}
    for step in demo.steps:
        work_dir = [] if step.work_dir is None else [
            '--work-dir', step.work_dir
        ]
        done = run_tool(step.tool, *step.args, *work_dir)
        assert done.returncode == 0, done.stderr
        records[step.name] = Record(True, 83)

    assert [row[:2] for row in demo.rows] == [
        ('pretraining', 'random'), *((what, weights) for what in evaluations
                                     for weights in ('random', 'pretrained'))
    ]
    for row in demo.rows[1:]:
        (accuracy, ) = row.measured()
        assert 0 <= accuracy <= 100
        assert accuracy * 32 % 100 == 0  # of 32 images
    text = format_report(demo, records)
    assert '64 training and 32 test images of 8 classes' in text
    assert 'chance 12.5 %' in text and 'seed 3' in text
    table = text.splitlines()[:len(demo.rows) + 2]
    assert len({len(line) for line in table}) == 1

    # what is random is random, and what is pretrained is from pretraining
    log = next((tmp_path / 'linear-pretrained').glob('*/*.log')).read_text()
    assert f'weights from {tmp_path}/pretrain/iter_10.pth: 100.0%' in log
    log = next((tmp_path / 'linear-random').glob('*/*.log')).read_text()
    assert 'weights from' not in log.split('Iter(train)')[0]


def test_training_is_resumed(shapes: Path, tmp_path: Path,
                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, 'QUICK_PRETRAINING', 10)
    settings = plan.Settings('convmae', str(shapes), quick=True)
    demo = plan.Demo(settings, tmp_path, find_images(shapes))
    demo.pretrain(methods.load('convmae').PRETRAIN)
    (step, ) = demo.steps
    assert '--resume' not in step.command()
    done = run_tool(step.tool, *step.args, '--work-dir', step.work_dir,
                    '--no-validate')
    assert done.returncode == 0, done.stderr
    assert step.command()[-1] == '--resume'


def run_demo(out: Path, *args: str) -> dict[tuple[str, ...], list[float]]:
    """Results of a demonstration in a process of its own."""
    subprocess.run([
        sys.executable, ROOT / 'tools/demo.py', '--out', out, *args],
        check=True, timeout=1800)  # yapf: disable
    settings = plan.Settings(**json.loads((out / 'settings.json').read_text()))
    demo = plan.Demo(settings, out, find_images(out / 'shapes/cls'))
    methods.load(settings.method).plan(demo)
    return {row[:2]: row.measured() for row in demo.rows if row.metrics}


@pytest.mark.slow
def test_quick(tmp_path: Path) -> None:
    assert len(run_demo(tmp_path / 'out', '--quick')) == 10
    assert find_images(tmp_path / 'out/shapes/cls').classes == CLASSES


@pytest.mark.slow
def test_pretraining_helps(tmp_path: Path) -> None:
    results = run_demo(tmp_path / 'out')
    for evaluation, gain in (('kNN', 8), ('linear probe', 8), ('fine-tuning',
                                                               0)):
        (random, ), (pretrained, ) = (
            results[evaluation, weights]
            for weights in ('random', 'pretrained'))
        assert pretrained > random + gain, evaluation
