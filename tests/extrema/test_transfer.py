"""ExtreMA's recipes of detection and segmentation, small, on drawn shapes."""
import copy
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, DefaultScope
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tooling import ROOT, run_tool
from transfers import DETECTION, SEGMENTATION, detector, segmentor

from projects.extrema import ClassAttentionViT
from projects.shapes import CLASSES, Recipe, make_dataset


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('shapes') / 'data'
    make_dataset(folder, Recipe('smoke', parts=('det', 'seg')), jobs=1)
    return folder


def two_steps_of_detection(shapes: Path) -> Config:
    """An epoch of four images."""
    cfg = detector(shapes / 'det')
    cfg.train_dataloader.dataset.indices = 4
    cfg.train_cfg.max_epochs = 1
    cfg.default_hooks.checkpoint.save_best = None
    cfg.default_hooks.logger.interval = 1
    return cfg


def two_steps_of_segmentation(shapes: Path) -> Config:
    cfg = segmentor(shapes / 'seg')
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.default_hooks.checkpoint.update(interval=2, save_best=None)
    cfg.default_hooks.logger.interval = 1
    return cfg


def write(cfg: Config, folder: Path) -> Path:
    """``cfg.dump`` without its slow formatting."""
    path = folder / 'config.py'
    path.write_text('\n'.join(f'{name} = {value!r}'
                              for name, value in cfg.to_dict().items()))
    return path


def entries(work_dir: Path) -> list[dict]:
    """Lines of a run's log: losses of steps, then metrics."""
    log = max(work_dir.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for line in log.read_text().splitlines()]


def check_steps(found: list[dict], number: int) -> None:
    steps = [entry for entry in found if 'loss' in entry]
    assert len(steps) == number
    assert all(0 < entry['loss'] < 50 for entry in steps)


@pytest.fixture(scope='module')
def detected(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an epoch of detection in this process."""
    folder = tmp_path_factory.mktemp('detection')
    config = write(two_steps_of_detection(shapes), folder)
    done = run_tool('train.py', config, '--work-dir', folder / 'run')
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_detection_trains_and_evaluates(detected: Path) -> None:
    found = entries(detected / 'run')
    check_steps(found, 2)
    steps = [entry for entry in found if 'loss' in entry]
    assert all(entry['loss_mask'] > 0 for entry in steps)
    metrics = found[-1]
    for kind in ('bbox', 'segm'):
        assert 0 <= metrics[f'coco/{kind}_mAP'] < 0.5
    # untrained, but of a hundred boxes some lie near objects
    assert metrics['coco/bbox_AR@100'] > 0


def test_detection_metrics_are_those_of_pycocotools(detected: Path,
                                                    shapes: Path,
                                                    tmp_path: Path) -> None:
    """Boxes and masks that tools/test.py saves, scored by hand."""
    done = run_tool('test.py', detected / 'config.py',
                    detected / 'run/epoch_1.pth', '--work-dir', tmp_path,
                    '--out', tmp_path / 'saved.pkl')
    assert done.returncode == 0, done.stderr[-2000:]
    truth = shapes / 'det/annotations/instances_val.json'
    metric = CocoMetric(ann_file=str(truth), metric=['bbox', 'segm'],
                        outfile_prefix=str(tmp_path / 'results'),
                        format_only=True)  # yapf: disable
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, load(tmp_path / 'saved.pkl'))
    metric.evaluate(6)
    online = entries(detected / 'run')[-1]
    coco = COCO(str(truth))
    for kind in ('bbox', 'segm'):
        results = coco.loadRes(str(tmp_path / f'results.{kind}.json'))
        evaluation = COCOeval(coco, results, kind)
        evaluation.params.catIds = list(range(1, 1 + len(CLASSES)))
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        for name, position in (('mAP', 0), ('AR@100', 8)):
            assert online[f'coco/{kind}_{name}'] == pytest.approx(
                evaluation.stats[position], abs=1e-3)


def test_detection_in_two_processes(shapes: Path, tmp_path: Path) -> None:
    """Gloo on the CPU; together they validate every image once."""
    config = write(two_steps_of_detection(shapes), tmp_path)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    environment = dict(
        os.environ, PYTHON=sys.executable, PORT=port, OMP_NUM_THREADS='1')
    done = subprocess.run([
        'bash', ROOT / 'tools/dist_train.sh', config, '2', '--work-dir',
        tmp_path / 'run'
    ],
                          env=environment,
                          capture_output=True,
                          text=True,
                          timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found = entries(tmp_path / 'run')
    check_steps(found, 1)  # four images, two on each
    assert 0 <= found[-1]['coco/bbox_mAP'] < 0.5


def test_segmentation_trains_and_evaluates(shapes: Path,
                                           tmp_path: Path) -> None:
    config = write(two_steps_of_segmentation(shapes), tmp_path)
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'run')
    assert done.returncode == 0, done.stderr[-2000:]
    found = entries(tmp_path / 'run')
    check_steps(found, 2)
    out = tmp_path / 'scores.json'
    done = run_tool('test.py', config, tmp_path / 'run/iter_2.pth',
                    '--work-dir', tmp_path, '--out', out)
    assert done.returncode == 0, done.stderr[-2000:]
    scores = json.loads(out.read_text())
    assert 0 < scores['mIoU'] < 50
    assert scores['mIoU'] == found[-1]['mIoU']


@pytest.mark.parametrize('path, heads', [
    (DETECTION, 'neck.1.fpn_convs.0.conv.weight'),
    (SEGMENTATION, 'decode_head.conv_seg.weight'),
])
def test_parameter_groups(path: Path, heads: str) -> None:
    """Layer decay and weight decay of the official rule, depth 12."""
    cfg = Config.fromfile(path)
    backbone = cfg.model.backbone
    backbone.update(arch=dict(channels=16, depth=12, num_heads=2),
                    init_cfg=None)  # yapf: disable
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    wrapper = copy.deepcopy(cfg.optim_wrapper)
    wrapper.type = 'OptimWrapper'
    del wrapper.dtype, wrapper.loss_scale
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(
            type=wrapper.pop('constructor'),
            paramwise_cfg=wrapper.pop('paramwise_cfg'),
            optim_wrapper_cfg=wrapper))
    groups = {
        id(group['params'][0]): group
        for group in constructor(model).optimizer.param_groups
    }
    rate = cfg.optim_wrapper.paramwise_cfg.layer_decay_rate
    assert rate == (0.75 if path == DETECTION else 0.65)
    lr = cfg.optim_wrapper.optimizer.lr
    parameters = dict(model.named_parameters())
    depths = {
        'backbone.patch_embed.weight': 0,
        'backbone.blocks.0.attn.qkv.weight': 1,
        'backbone.blocks.11.ffn.fc2.weight': 12,
        heads: 13,
    }
    for name, depth in depths.items():
        group = groups[id(parameters[name])]
        assert group['lr'] == pytest.approx(lr * rate**(13 - depth)), name
        assert group['weight_decay'] == 0.05
    for name in ('backbone.patch_embed.bias', 'backbone.blocks.3.ln1.weight'):
        assert groups[id(parameters[name])]['weight_decay'] == 0
    assert id(parameters['backbone.pos_embed']) not in groups
    assert not parameters['backbone.pos_embed'].requires_grad
    assert not any('cls_token' in name or 'class_layers' in name
                   for name in parameters)


@pytest.mark.parametrize('prefix', ['backbone.', 'target_net.module.0.'])
def test_starts_from_either_branch_of_a_pretraining(prefix: str,
                                                    tmp_path: Path) -> None:
    """The patch encoder is taken whole; the class token stays behind."""
    arch = dict(channels=16, depth=2, num_heads=2)
    pretrained = ClassAttentionViT(arch, img_size=64)
    pretrained.init_weights()
    weights = {
        f'{prefix}{name}': value
        for name, value in pretrained.state_dict().items()
    }
    others = {'backbone.', 'target_net.module.0.'} - {prefix}
    weights |= {
        f'{other}{name}': torch.full_like(value, 7)
        for other in others
        for name, value in pretrained.state_dict().items()
    }
    torch.save(dict(state_dict=weights), tmp_path / 'epoch_300.pth')
    cfg = Config.fromfile(DETECTION).model.backbone
    cfg.update(arch=arch, out_indices=(0, 1))
    cfg.init_cfg.update(
        checkpoint=str(tmp_path / 'epoch_300.pth'), prefix=prefix)
    backbone = MODELS.build(cfg)
    backbone.init_weights()
    assert backbone.grid == (14, 14)  # positions were resampled from 4 x 4
    for name, value in backbone.state_dict().items():
        if name != 'pos_embed':
            assert value.equal(pretrained.state_dict()[name]), name


def test_the_pyramid_is_made_of_blocks_4_6_8_and_12() -> None:
    """Without norm, at strides 4, 8, 16 and 32; images of any shape."""
    cfg = Config.fromfile(DETECTION)
    cfg.model.backbone.update(
        arch=dict(channels=16, depth=12, num_heads=2), init_cfg=None)
    adaptor = dict(cfg.model.neck[0], embed_dim=16)
    with DefaultScope.overwrite_default_scope('mmdet'):
        backbone = MODELS.build(cfg.model.backbone).eval()
        adaptor = MODELS.build(adaptor).eval()
    x_NCHW = torch.randn(1, 3, 64, 96)
    x_NLC, outs = backbone._embed(x_NCHW), []
    for block in backbone.blocks:
        x_NLC = block(x_NLC)
        outs.append(x_NLC.transpose(1, 2).unflatten(2, (4, 6)))
    maps = backbone(x_NCHW)
    for found, index in zip(maps, (3, 5, 7, 11), strict=True):
        torch.testing.assert_close(found, outs[index])
    assert [tuple(y.shape[2:]) for y in adaptor(maps)] == [(16, 24), (8, 12),
                                                           (4, 6), (2, 3)]
