"""Ladders on photographs, here noise: all commands, at the shortest."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from tooling import ROOT, run_tool

from projects.demo import plan
from projects.demo.plan import Settings
from projects.demo.steps import Record
from projects.engine.checkpoint_io import write_text
from projects.photographs.folders import check_folders
from projects.photographs.ladders import FOLDERS, LADDERS, SIZES
from projects.photographs.measurement import Measurement
from projects.photographs.summary import Line, format_lines, summarize

SEGMENTOR = 'camvid-upernet-random'
CLASSES = ('airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog',
           'horse', 'ship', 'truck')


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise in the folders of both data sets."""
    root = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)

    def save(path: Path, *shape: int, high: int = 256) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, high, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(path)

    for kind in CLASSES:
        for number in range(26):
            save(root / f'cifar10_jpeg/train/{kind}/{number}.jpg', 32, 32, 3)
        save(root / f'cifar10_jpeg/test/{kind}/0.jpg', 32, 32, 3)
    for split, count in (('train', 3), ('val', 1)):
        for number in range(count):
            name = f'{split}/{number}'
            save(root / f'camvid/images/{name}.jpg', 180, 240, 3)
            save(root / f'camvid/annotations/{name}.png', 180, 240, high=12)
    return root


@pytest.fixture(autouse=True)
def shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations; configs are written as they are."""
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_:
                        (text, False))
    monkeypatch.setattr(plan, 'QUICK_TRAINING', 2)


def measurement(data: Path,
                out: Path,
                *ladders: str,
                size: str = 'cpu',
                quick: bool = True) -> Measurement:
    run = Measurement(Settings(size, str(data), quick, 3), out)
    for ladder in ladders:
        LADDERS[ladder](run, SIZES[size])
    return run


def test_ladder(data: Path, tmp_path: Path) -> None:
    """All steps of one, and a segmentor; the rest is not measured."""
    run = measurement(data, tmp_path, 'cifar10', 'camvid')
    first = measurement(data, tmp_path, 'cifar10').steps
    other = [step for step in run.steps if step.name == SEGMENTOR]
    (tmp_path / 'steps').mkdir()
    for step in [*first, *other]:
        work_dir = [] if step.work_dir is None else [
            '--work-dir', step.work_dir
        ]
        result = run_tool(step.tool, *step.args, *work_dir)
        assert result.returncode == 0, (step.name, result.stderr)
        write_text(
            str(tmp_path / f'steps/{step.name}.json'),
            json.dumps(vars(Record(True, 60., 90.))))

    lines = summarize([run])
    assert {line[:2]
            for line in lines if line.values} == {
                *((f'CIFAR-10, ConvViT, {what}', weights)
                  for what in ('linear probe', 'kNN', 'fine-tuning')
                  for weights in ('random', 'convmae')),
                ('CamVid, UperNet', 'random')
            }
    for line in lines:
        if line.values:
            assert line.seeds == (3, ) and line.seconds == (90., )
        assert all(0 <= value <= 100 for value in line.values)
    assert format_lines(lines).count('not measured') == 3
    log = next((tmp_path / 'cifar10-finetune-convmae').glob('*/*.log'))
    assert (f'weights from {tmp_path}/convmae-cifar10/iter_2.pth'
            in log.read_text())
    for name in ('cifar10-finetune-random', SEGMENTOR):
        log = next((tmp_path / name).glob('*/*.log'))
        assert 'weights from' not in log.read_text().split('Iter(train)')[0]


@pytest.mark.slow
def test_quick(data: Path, tmp_path: Path) -> None:
    """All ladders, in processes of their own; then only the table."""
    command = [
        sys.executable, ROOT / 'tools/photographs.py', *LADDERS, '--quick',
        '--data', data, '--out', tmp_path
    ]
    subprocess.run(command, check=True, timeout=3600)
    done = subprocess.run([*command, '--report'],
                          check=True,
                          capture_output=True,
                          text=True)
    assert 'not measured' not in done.stdout
    lines = json.loads(next(tmp_path.glob('cpu_*.json')).read_text())
    assert all(line['seeds'] == [0] for line in lines)


def test_plans(data: Path, tmp_path: Path) -> None:
    """Names are unique over all ladders, and so are the rows."""
    run = measurement(data, tmp_path, *LADDERS, quick=False)
    names = [step.name for step in run.steps]
    assert len(names) == len({*names})
    rows = [row[:2] for row in run.rows]
    assert len(rows) == len({*rows})
    for ladder in LADDERS:
        check_folders(data, FOLDERS[ladder])

    def config(name: str) -> Config:
        return Config.fromfile(
            tmp_path / f'configs/{name}.py', import_custom_modules=False)

    baseline, variant = config('study-baseline'), config('study-complementary')
    assert baseline.train_cfg.max_iters == variant.train_cfg.max_iters == 2000
    views = variant.model.masking.num_masks
    assert variant.train_dataloader.batch_size * views == \
        baseline.train_dataloader.batch_size
    longer = config('study-complementary-equal-time')
    assert longer.train_cfg.max_iters == 2620
    assert longer.model == variant.model
    assert config('extrema-studies-linear-mask08x5-vit'
                  ).model.backbone.token_mode == 'vit'


def test_plans_for_a_gpu(data: Path, tmp_path: Path) -> None:
    """What is evaluated starts from what was pretrained, of the same model."""
    run = measurement(
        data, tmp_path, 'cifar10', 'camvid', 'extrema', size='gpu')
    files = sorted((tmp_path / 'configs').glob('*-*-*.py'))
    assert len(files) == 11
    archs = {job.cfg.model.backbone.arch for job in run.pretrainings.values()}
    checkpoints = {str(job.checkpoint) for job in run.pretrainings.values()}
    for file in files:
        backbone = Config.fromfile(
            file, import_custom_modules=False).model.backbone
        assert {backbone.arch} == archs
        if not file.stem.endswith('random'):
            assert backbone.init_cfg.checkpoint in checkpoints


def test_pretrainings_of_another_seed(data: Path, tmp_path: Path) -> None:
    """Are evaluated with new seeds, and stand in the table once."""
    source = measurement(data, tmp_path / 'a', 'camvid')
    run = Measurement(
        Settings('cpu', str(data), True, 4), tmp_path / 'b', source)
    LADDERS['camvid'](run, SIZES['cpu'])
    assert [step.name for step in source.steps].count('convmae-camvid') == 1
    assert not {'convmae-camvid', 'convmae-cifar10'
                } & {step.name
                     for step in run.steps}
    text = (tmp_path / 'b/configs/camvid-upernet-camvid.py').read_text()
    assert f'{tmp_path}/a/convmae-camvid/iter_2.pth' in text
    lines = {line.weights: line for line in summarize([source, run])}
    assert lines['convmae-camvid'].seeds == lines['camvid'].seeds == ()


def test_missing_folders(data: Path, tmp_path: Path) -> None:

    def fails(folder: Path) -> str:
        done = run_tool('photographs.py', 'camvid', '--data', folder, '--out',
                        tmp_path / 'out')
        assert done.returncode == 1
        assert not (tmp_path / 'out').exists()
        return done.stderr

    message = fails(tmp_path)
    for folder in ('cifar10_jpeg/train', 'camvid/annotations/val'):
        assert f'{tmp_path}/{folder}' in message
    assert 'docs/datasets.md' in message
    (tmp_path / 'camvid').symlink_to(data / 'camvid')
    (tmp_path / 'cifar10_jpeg/train').mkdir(parents=True)
    (tmp_path / 'cifar10_jpeg/test').mkdir()
    assert 'cifar10_jpeg/train is empty' in fails(tmp_path)


def test_spread_of_seeds() -> None:
    line = Line('kNN', 'random', '', 'top-1', (0, 1, 2), (10., 11., 12.),
                (60., 61., 62.))
    assert line.spread() == '11.0 ± 1.0'
    assert line._replace(values=(10., )).spread() == '10.0'
    table = format_lines([line, line._replace(seeds=(), values=())])
    assert '| top-1 10.0, 11.0, 12.0 | 0, 1, 2' in table
    assert 'not measured' in table
