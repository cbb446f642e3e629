"""Both recipes train and test through the tools, on shapes."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from detectors import FPN, SFP, full_precision, narrow, on_shapes
from tooling import ROOT, run_tool
from transfers import detector

from projects.convmae.backbone import ARCHS
from projects.shapes import CLASSES, Recipe, make_dataset


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes') / 'data'
    make_dataset(folder, Recipe('smoke', parts=('det', )), jobs=1)
    return folder / 'det'


def keep(folder, images, name):
    """Write an annotation file of some training images; returns its name."""
    path = folder / 'annotations/instances_train.json'
    content = json.loads(path.read_text())
    content['images'] = [content['images'][index] for index in images]
    ids = {image['id'] for image in content['images']}
    content['annotations'] = [
        a for a in content['annotations'] if a['image_id'] in ids
    ]
    (folder / 'annotations' / name).write_text(json.dumps(content))
    return f'annotations/{name}'


def write_config(cfg, path):
    """``cfg.dump`` without its slow formatting."""
    path.write_text('\n'.join(f'{name} = {value!r}'
                              for name, value in cfg.to_dict().items()))


EMPTY = 4  # the image without objects


@pytest.fixture
def project(shapes, tmp_path):
    """Write a recipe's config that trains two steps; returns its path.

    Every second image, so everything one of two processes gets, is without
    objects.
    """

    def write(name):
        cfg = on_shapes(name, shapes)
        train = cfg.train_dataloader
        train.update(batch_size=1, sampler=dict(shuffle=False))
        train.dataset.update(
            ann_file=keep(shapes, [0, EMPTY], 'two.json'),
            filter_cfg=dict(filter_empty_gt=False))
        cfg.train_cfg.update(max_iters=2, val_interval=2)
        cfg.default_hooks.checkpoint.update(interval=2, save_best=None)
        cfg.default_hooks.logger.interval = 1
        cfg.log_processor.window_size = 1
        cfg.optim_wrapper.clip_grad = dict(max_norm=1e9)  # to log the norm
        path = tmp_path / 'config.py'
        write_config(cfg, path)
        return path

    return write


def logged(work_dir):
    """Entries of the training log."""
    file, = work_dir.glob('*/vis_data/2*.json')
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    return [entry for entry in entries if 'loss' in entry]


def check_run(work_dir):
    entries = logged(work_dir)
    assert [entry['step'] for entry in entries] == [1, 2]
    assert all(0 < entry['loss'] < 20 for entry in entries)
    assert all(0 < entry['grad_norm'] < 1e4 for entry in entries)
    state = torch.load(work_dir / 'iter_2.pth', weights_only=False)
    assert all(value.isfinite().all()
               for value in state['state_dict'].values())
    return entries, state['state_dict']


def check_saved_predictions(config, checkpoint, folder):
    """They score as the test itself says; returns its metrics."""
    saved, metrics = folder / 'saved.pkl', folder / 'metrics.json'
    for out in (saved, metrics):
        done = run_tool('test.py', config, checkpoint, '--work-dir',
                        folder / 'test', '--out', out)
        assert done.returncode == 0, done.stderr[-2000:]
    online = json.loads(metrics.read_text())
    done = run_tool('analysis/eval_metric.py', config, saved)
    assert done.returncode == 0, done.stderr[-2000:]
    offline = dict(
        line.split(': ') for line in done.stdout.splitlines()
        if line.startswith('coco/'))
    assert {key: float(value) for key, value in offline.items()} == online
    assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= online.keys()
    return online


@pytest.mark.parametrize('name', [FPN, SFP], ids=['fpn', 'sfp'])
def test_one_process(project, tmp_path, name):
    """The second image has no object: no region for the mask head."""
    config = project(name)
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'run',
                    '--no-validate')
    assert done.returncode == 0, done.stderr[-2000:]
    entries, state = check_run(tmp_path / 'run')
    assert entries[0]['loss_mask'] > 0 and entries[1]['loss_mask'] == 0
    assert entries[1]['loss_bbox'] == 0 and entries[1]['loss_cls'] > 0
    if name == FPN:
        seen = {
            head: int(state[f'roi_head.{head}.0.bn.num_batches_tracked'])
            for head in ('mask_head.convs', 'bbox_head.shared_convs')
        }
        assert seen == {'mask_head.convs': 1, 'bbox_head.shared_convs': 2}
        check_saved_predictions(config, tmp_path / 'run/iter_2.pth', tmp_path)


@pytest.mark.parametrize('name', [FPN, SFP], ids=['fpn', 'sfp'])
def test_two_processes(project, tmp_path, name):
    """One of them has an image without objects at every step."""
    env = dict(
        os.environ,
        PYTHON=sys.executable,
        OMP_NUM_THREADS='1',
        PORT=str(29700 + os.getpid() % 1000))
    done = subprocess.run([
        'bash', ROOT / 'tools/dist_train.sh',
        project(name), '2', '--work-dir', tmp_path / 'run', '--no-validate'
    ],
                          env=env,
                          capture_output=True,
                          text=True,
                          timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    entries, _ = check_run(tmp_path / 'run')
    assert all(entry['loss_mask'] > 0 for entry in entries)


def convmae(folder):
    cfg = on_shapes(FPN, folder, side=192)
    narrow(
        cfg.model, ARCHS['tiny'], width=32, fc=128, num_classes=len(CLASSES))
    full_precision(cfg)
    return cfg


def extrema(folder):
    cfg = detector(folder, side=192)
    cfg.model.backbone.arch = dict(channels=128, depth=4, num_heads=4)
    pyramid, fpn = cfg.model.neck
    pyramid.embed_dim, fpn.in_channels = 128, [128] * 4
    cfg.model.roi_head.bbox_head.fc_out_channels = 128
    # of random weights every layer has to move
    cfg.optim_wrapper.paramwise_cfg.layer_decay_rate = 1.
    return cfg


@pytest.mark.slow
@pytest.mark.parametrize('recipe, steps', [(convmae, 450), (extrema, 450)])
def test_overfits_eight_images_and_saved_predictions_score_the_same(
        tmp_path, recipe, steps):
    """Box AP above 0.9 on what it was trained on."""
    folder = tmp_path / 'data'
    make_dataset(folder, Recipe('small', parts=('det', )), jobs=1)
    folder = folder / 'det'
    cfg = recipe(folder)
    cfg.model.backbone.drop_path_rate = 0.
    eight = keep(folder, range(5, 13), 'eight.json')
    for part in ('train', 'val', 'test'):
        dataset = cfg[f'{part}_dataloader'].dataset
        dataset.update(ann_file=eight, data_prefix=dict(img='train'))
        for step in dataset.pipeline:
            if step.type == 'RandomResize':
                step.ratio_range = (1., 1.)
            elif step.type == 'RandomFlip':
                step.prob = 0.
            elif step.type == 'RandomChoice':
                del step.transforms[1:]
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = str(Path(folder, eight))
    cfg.train_dataloader.update(
        batch_size=4,
        batch_sampler=None,
        sampler=dict(type='InfiniteSampler', shuffle=True))
    cfg.optim_wrapper.optimizer.update(lr=1e-3, weight_decay=0.01)
    cfg.param_scheduler = [
        dict(type='CosineAnnealingLR', by_epoch=False, end=steps),
        dict(type='LinearLR', start_factor=.01, by_epoch=False, end=50)
    ]
    cfg.train_cfg = dict(
        type='IterBasedTrainLoop', max_iters=steps, val_interval=steps)
    cfg.default_hooks.checkpoint.update(
        by_epoch=False, interval=steps, save_best=None)
    cfg.log_processor.by_epoch = False
    config = tmp_path / 'config.py'
    write_config(cfg, config)
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'run')
    assert done.returncode == 0, done.stderr[-2000:]

    online = check_saved_predictions(config,
                                     tmp_path / f'run/iter_{steps}.pth',
                                     tmp_path)
    assert online['coco/bbox_mAP'] > 0.9
