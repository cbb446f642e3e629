"""A small segmentor trains, validates and predicts on drawn shapes."""
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.evaluation import IoUMetric
from PIL import Image
from tooling import run_tool
from transfers import segmentor

from projects.engine import GlimpseRunner
from projects.shapes import Recipe, make_dataset

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ('configs/convmae/demo/'
                 'convvit-tiny_upernet_1xb8-450_shapes-seg-128x128.py')


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """Twelve images to train on and six to validate on."""
    folder = tmp_path_factory.mktemp('shapes')
    make_dataset(folder / 'shapes', Recipe('smoke', parts=('seg', )), jobs=1)
    return folder / 'shapes/seg'


def load_config(shapes, work_dir):
    """The config on the data of the test, loaded in this process."""
    cfg = Config.fromfile(CONFIG)
    cfg.work_dir = str(work_dir)
    cfg.model.backbone.init_cfg = None
    for loader in (cfg.train_dataloader, cfg.val_dataloader,
                   cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(shapes)
    return cfg


def two_steps(shapes, work_dir, batch_size):
    """A config file of two steps in which order of summing is all chance."""
    cfg = load_config(shapes, work_dir)
    cfg.train_dataloader.batch_size = batch_size
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.default_hooks.checkpoint.interval = 2
    cfg.optim_wrapper = dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.01, weight_decay=0.),
        constructor='BackboneLayerDecay',
        paramwise_cfg=cfg.optim_wrapper.paramwise_cfg)
    cfg.param_scheduler = None
    cfg.model.backbone.drop_path_rate = 0.
    for head in (cfg.model.decode_head, cfg.model.auxiliary_head):
        assert head.norm_cfg.type == 'SyncBN'
        head.dropout_ratio = 0.
        # mmseg divides by the weights of the process's own pixels
        head.loss_decode.class_weight = None
    work_dir.mkdir()
    path = work_dir / 'config.py'
    cfg.dump(path)
    return path


def read_metrics(work_dir):
    """The last metrics of a run's log."""
    log = max(work_dir.glob('*/vis_data/scalars.json'))
    return json.loads(log.read_text().splitlines()[-1])


@pytest.fixture(scope='module')
def trained(shapes, tmp_path_factory):
    """Folder of a run of two steps in this process."""
    config = two_steps(shapes, tmp_path_factory.mktemp('runs') / 'run', 4)
    done = run_tool('train.py', config)
    assert done.returncode == 0, done.stderr
    return config.parent


def test_metrics_of_saved_predictions(trained, shapes, tmp_path):
    """Label maps from tools/test.py give the metrics that it reports."""
    out, scores = tmp_path / 'labels', tmp_path / 'scores.json'
    for destination in (out, scores):
        done = run_tool('test.py', trained / 'config.py',
                        trained / 'iter_2.pth', '--work-dir', tmp_path,
                        '--out', destination)
        assert done.returncode == 0, done.stderr
    online = json.loads(scores.read_text())

    totals = []
    for path in sorted((shapes / 'annotations/val').iterdir()):
        # saved as annotated, from 1; there 0 is what to ignore
        truth, found = (
            torch.from_numpy(np.array(Image.open(p), int))
            for p in (path, out / path.name))
        assert found.min() >= 1
        truth[truth == 0] = 256
        totals.append(
            IoUMetric.intersect_and_union(found - 1, truth - 1, 9, 255))
    intersection, union, _, label = (sum(part) for part in zip(*totals))
    assert online['mIoU'] == pytest.approx(
        float((intersection / union).nanmean()) * 100, abs=0.006)
    assert online['mAcc'] == pytest.approx(
        float((intersection / label).nanmean()) * 100, abs=0.006)
    assert read_metrics(trained)['mIoU'] == online['mIoU']

    done = run_tool('analysis/eval_metric.py', trained / 'config.py', out)
    assert done.returncode == 0, done.stderr
    offline = dict(
        line.split(': ') for line in done.stdout.splitlines()
        if line.split(': ')[0] in ('aAcc', 'mIoU', 'mAcc'))
    assert {
        key: float(value)
        for key, value in offline.items()
    } == {
        key: online[key]
        for key in ('aAcc', 'mIoU', 'mAcc')
    }
    some = sorted(out.iterdir())[0]
    Image.new('L', (5, 4)).save(some)
    done = run_tool('analysis/eval_metric.py', trained / 'config.py', out)
    assert done.returncode == 1
    assert f'{some} has (4, 5) pixels; the annotation' in done.stderr
    some.unlink()
    done = run_tool('analysis/eval_metric.py', trained / 'config.py', out)
    assert done.returncode == 1 and f'label map {some} of' in done.stderr


def test_two_processes_train_as_one(trained, shapes, tmp_path):
    """`tools/dist_train.sh` on the CPU: same weights, same metrics."""
    config = two_steps(shapes, tmp_path / 'run', 2)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    command = ['bash', ROOT / 'tools/dist_train.sh', config, '2']
    environment = dict(os.environ, PYTHON=sys.executable, PORT=port)
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_metrics(tmp_path / 'run')['mIoU'] == pytest.approx(
        read_metrics(trained)['mIoU'], abs=0.02)
    two, one = (
        torch.load(folder / 'iter_2.pth', weights_only=True)['state_dict']
        for folder in (tmp_path / 'run', trained))
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-5)


def convmae(shapes, work_dir):
    return load_config(shapes, work_dir), 250, 2e-3


def extrema(shapes, work_dir):
    cfg = segmentor(shapes, side=128)
    cfg.work_dir = str(work_dir)
    cfg.train_dataloader.batch_size = 8
    return cfg, 500, 1e-3


@pytest.mark.slow
@pytest.mark.parametrize('recipe', [convmae, extrema])
def test_learns_eight_images(shapes, tmp_path, recipe):
    """Its own training images, seen again and again, to mIoU above 0.9."""
    cfg, steps, lr = recipe(shapes, tmp_path)
    cfg.model.backbone.drop_path_rate = 0.
    for head in (cfg.model.decode_head, cfg.model.auxiliary_head):
        head.dropout_ratio = 0.
        # most pixels are background; so small classes are learnt as soon
        head.loss_decode.class_weight = [1.] * 8 + [0.2]
    cfg.optim_wrapper = dict(
        optimizer=dict(type='AdamW', lr=lr, weight_decay=0.))
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=30),
        dict(type='CosineAnnealingLR', by_epoch=False, begin=30, end=steps)
    ]
    load, annotations, *_, pack = cfg.train_pipeline
    resize = dict(type='Resize', scale=(128, 128))
    seen = cfg.train_dataloader.dataset
    seen.update(indices=8, pipeline=[load, annotations, resize, pack])
    cfg.test_dataloader.dataset = {
        **seen, 'pipeline': [load, resize, annotations, pack]
    }
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps)
    cfg.default_hooks.checkpoint = None
    runner = GlimpseRunner.from_cfg(cfg)
    runner.train()
    assert runner.test()['mIoU'] > 90
