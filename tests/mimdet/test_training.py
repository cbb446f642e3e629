"""The recipe on shapes: MAE, then MIMDet, in one process and in two."""
import json
import os
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config
from shrink import shrink
from tooling import ROOT, run_tool
from training_runs import check_interrupted

from projects.shapes import CLASSES, Recipe, make_dataset

CONFIGS = ROOT / 'configs/mimdet'
MAE = 'pretrain/mae-mimdet_vit-base-p16_8xb512-amp-coslr-1600e_in1k'
TINY = 'demo/mask-rcnn_mimdet-tiny_fpn_1xb8-600_shapes-det-128x128'
MIMDET = 'detection/mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco'


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes') / 'data'
    make_dataset(folder, Recipe('smoke', parts=('cls', 'det')), jobs=1)
    return folder


def write(cfg, path):
    """``cfg.dump`` without its slow formatting."""
    path.write_text('\n'.join(f'{name} = {value!r}'
                              for name, value in cfg.to_dict().items()))
    return path


def tiny(name, path):
    """A recipe with a small model that trains two steps and logs both."""
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    shrink(cfg)
    cfg.train_dataloader.update(
        batch_size=2, num_workers=0, persistent_workers=False)
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.update(
        by_epoch=False, interval=2, save_best=None)
    cfg.log_processor = dict(by_epoch=False, window_size=1)
    cfg.train_cfg = dict(
        type='IterBasedTrainLoop', max_iters=2, val_interval=2)
    return cfg


def detector(name, shapes, path):
    """A tiny recipe that learns the classes of the shapes."""
    cfg, folder = tiny(name, path), shapes / 'det'
    for split in ('train', 'val', 'test'):
        files = 'train' if split == 'train' else 'val'
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=str(folder),
            ann_file=f'annotations/instances_{files}.json',
            data_prefix=dict(img=files),
            metainfo=dict(classes=CLASSES),
            indices=4 if split != 'train' else None)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = str(folder / 'annotations/instances_val.json')
    for head in (cfg.model.roi_head.bbox_head, cfg.model.roi_head.mask_head):
        head.num_classes = len(CLASSES)
    for node in (cfg.model.train_cfg.rpn_proposal, cfg.model.test_cfg.rpn):
        node.update(nms_pre=50, max_per_img=20)
    cfg.model.test_cfg.rcnn.score_thr = 0.
    return cfg


def losses(work_dir):
    file, = work_dir.glob('*/vis_data/2*.json')
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    return [entry['loss'] for entry in entries if 'loss' in entry]


def train(cfg, path, *args):
    done = run_tool('train.py', write(cfg, path / 'config.py'), '--work-dir',
                    path / 'run', *args)
    assert done.returncode == 0, done.stderr[-2000:]
    values = losses(path / 'run')
    assert len(values) == 2 and all(0 < value < 20 for value in values)
    return path / 'run/iter_2.pth'


def test_from_pretraining_to_detection(shapes, tmp_path, monkeypatch):
    """MAE, MIMDet from its checkpoint, and a test with fewer tokens."""
    # configs are logged as they are: formatting takes a second each time
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_:
                        (text, False))
    cfg = tiny(MAE, tmp_path)
    cfg.train_dataloader.dataset.data_root = str(shapes / 'cls')
    (tmp_path / 'mae').mkdir()
    pretrained = train(cfg, tmp_path / 'mae')

    cfg = detector(MIMDET, shapes, tmp_path)
    cfg.model.backbone.decoder.depth = 1  # as the small MAE
    cfg.model.backbone.init_cfg = dict(
        type='Pretrained', checkpoint=str(pretrained))
    (tmp_path / 'det').mkdir()
    trained = train(cfg, tmp_path / 'det', '--no-validate')
    log = next((tmp_path / 'det/run').glob('*/*.log')).read_text()
    assert f'weights from {pretrained}' in log

    # what is frozen is MAE's, what is trained has moved
    ours = torch.load(trained, weights_only=False)['state_dict']
    mae = torch.load(pretrained, weights_only=False)['state_dict']
    name = 'layers.3.ffn.layers.1.weight'
    moved = ours['backbone.encoder.blocks.3.ffn.fc2.weight']
    change = (moved - mae[f'backbone.{name}']).abs().max()
    assert 0 < change < 1e-3

    for number, ratio in enumerate((.25, 1.)):
        out = tmp_path / f'{number}.json'
        done = run_tool(
            'test.py', tmp_path / 'det/config.py', trained, '--work-dir',
            tmp_path / f'test{number}', '--out', out, '--cfg-options',
            'default_hooks.visualization.type='
            'DetVisualizationHook',
            f'model.backbone.test_sample_ratio={ratio}')
        assert done.returncode == 0, done.stderr[-2000:]
        result = json.loads(out.read_text())
        assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= result.keys()


def test_killed_and_resumed(shapes, tmp_path):
    """Samples of tokens and of boxes are those of a run nobody kills."""
    cfg = detector(MIMDET, shapes, tmp_path)
    cfg.custom_imports.imports.append('faults')
    cfg.custom_hooks = [dict(type='FaultHook')]
    cfg.default_hooks.checkpoint.max_keep_ckpts = 2
    cfg.train_cfg.update(max_iters=6, val_interval=3)
    cfg.randomness = dict(seed=3)
    check_interrupted(
        write(cfg, tmp_path / 'config.py'),
        tmp_path, ('kill_in_val_after=3', 'kill_at=5'),
        last='iter_6.pth')


def test_two_processes(shapes, tmp_path):
    """Every parameter takes part at every step: DDP waits for each."""
    cfg = detector(MIMDET, shapes, tmp_path)
    cfg.train_dataloader.update(batch_size=1, sampler=dict(shuffle=False))
    cfg.train_dataloader.dataset.update(filter_cfg=dict(filter_empty_gt=False))
    env = dict(
        os.environ,
        PYTHON=sys.executable,
        OMP_NUM_THREADS='1',
        PORT=str(29800 + os.getpid() % 1000))
    done = subprocess.run([
        'bash', ROOT / 'tools/dist_train.sh',
        write(cfg, tmp_path / 'config.py'), '2', '--work-dir',
        tmp_path / 'run', '--no-validate'
    ],
                          env=env,
                          capture_output=True,
                          text=True,
                          timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    values = losses(tmp_path / 'run')
    assert len(values) == 2 and all(0 < value < 20 for value in values)
    state = torch.load(tmp_path / 'run/iter_2.pth', weights_only=False)
    assert all(value.isfinite().all()
               for value in state['state_dict'].values())


def test_a_step_costs_less_with_fewer_tokens(tmp_path):
    """By the benchmark tool: operations, time, memory until the backward."""
    out, key = tmp_path / 'numbers.json', 'model.backbone.sample_ratio'
    done = run_tool('benchmark.py', 'train-step', CONFIGS / f'{TINY}.py',
                    '--part', 'backbone', '--batch', 2, '--shape', 256, 256,
                    '--iters', 3, '--warmup', 1, '--json', out,
                    '--cfg-options', 'model.backbone.init_cfg=None',
                    f'{key}=1.0', '--against', f'{key}=0.25')
    assert done.returncode == 0, done.stderr
    everything, quarter = json.loads(out.read_text())['results']
    assert quarter['held_bytes'] < 0.8 * everything['held_bytes']
    assert quarter['macs'] < 0.8 * everything['macs']
    assert quarter['cpu_s']['median'] < everything['cpu_s']['median']
