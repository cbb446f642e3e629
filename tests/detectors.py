"""Detectors and data of the tests."""
from pathlib import Path

import numpy as np
from golden import Fixture
from mmdet.models import BaseDetector
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from shrink import dicts_of
from torch import Tensor

from projects.shapes import CLASSES

CONFIGS = Path(__file__).parents[1] / 'configs'
MASK_RCNN = CONFIGS / '_base_/models/mask-rcnn_4conv1fc.py'
# the two official recipes
FPN = 'mask-rcnn_convmae-base_fpn_8xb4-amp-lsj-25e_coco'
SFP = 'mask-rcnn_convmae-base_sfp_8xb2-amp-lsj-25e_coco'


def check_bits(fixture: Fixture, name: str, masks: Tensor) -> None:
    """Compare boolean masks with stored ones by intersection over union."""
    entry = fixture.info['outputs'][name]
    ours = masks.numpy().reshape(-1)
    packed = fixture.arrays[entry['array']]
    assert len(packed) == -(-len(ours) // 8)
    stored = np.unpackbits(packed)[:len(ours)].astype(bool)
    union = (ours | stored).sum()
    assert (ours & stored).sum() >= entry['min_iou'] * union > 0, name


def leaf(name: str) -> Config:
    """A detection config of the zoo, without pretrained weights."""
    cfg = Config.fromfile(CONFIGS / f'convmae/detection/{name}.py')
    cfg.model.backbone.init_cfg = None
    return cfg


def narrow(model: ConfigDict, arch: dict, width: int, fc: int,
           num_classes: int) -> None:
    """Make neck and heads as narrow as a fixture's."""
    backbone, neck, roi_head = model.backbone, model.neck, model.roi_head
    backbone.arch = arch
    *convolutional, last = arch['channels']
    neck.in_channels = ([*convolutional, last, last]
                        if neck.type == 'FPN' else last)
    neck.out_channels = width
    model.rpn_head.update(in_channels=width, feat_channels=width)
    for kind in ('bbox', 'mask'):
        roi_head[f'{kind}_roi_extractor'].out_channels = width
        roi_head[f'{kind}_head'].update(
            in_channels=width,
            conv_out_channels=width,
            num_classes=num_classes)
    roi_head.bbox_head.fc_out_channels = fc


def build(model: ConfigDict) -> BaseDetector:
    """The detector of a config, in evaluation mode."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(model).eval()


TINY = dict(
    channels=(16, 24, 32), depths=(1, 1, 2), mlp_ratios=(2, 2, 2), num_heads=2)


def on_shapes(name: str, folder: Path, side: int = 128) -> Config:
    """A tiny detector of a recipe, to train on a shapes data set.

    It samples few anchors and regions: the heads take most of the time.

    Args:
        name: Config of the zoo.
        folder: The detection part of the data set.
        side: Side of the images that the detector sees, in pixels.
    """
    cfg = leaf(name)
    narrow(cfg.model, TINY, width=16, fc=32, num_classes=len(CLASSES))
    backbone, preprocessor = cfg.model.backbone, cfg.model.data_preprocessor
    backbone.update(window_size=3, global_blocks=(1, ))
    for node, key in ((backbone, 'img_size'), (backbone, 'rel_pos_size'),
                      (preprocessor, 'pad_size_divisor')):
        if node.get(key) == 1024:
            node[key] = side
    use_shapes(cfg, folder, side)
    return cfg


def use_shapes(cfg: Config, folder: Path, side: int) -> None:
    """Let a detector train on a shapes data set, with few regions.

    Args:
        cfg: Of a detector.
        folder: The detection part of the data set.
        side: Side of the images that the detector sees, in pixels.
    """
    train, test = cfg.model.train_cfg, cfg.model.test_cfg
    train.rpn.sampler.num = 64
    train.rcnn.sampler.num = 48
    for node in (train.rpn_proposal, test.rpn):
        node.update(nms_pre=200, max_per_img=100)
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        files = 'train' if split == 'train' else 'val'
        loader.dataset.update(
            data_root=str(folder),
            ann_file=f'annotations/instances_{files}.json',
            data_prefix=dict(img=files),
            metainfo=dict(classes=CLASSES))
        for step in dicts_of(loader.dataset.pipeline):
            for key in ('scale', 'crop_size', 'size'):
                if key in step:
                    step[key] = (side, side)
            if 'scales' in step:
                step.scales = [(side, side)]
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = str(folder / 'annotations/instances_val.json')


def full_precision(cfg: Config) -> None:
    """bfloat16 takes longer on most CPUs."""
    cfg.optim_wrapper.type = 'OptimWrapper'
    for key in ('dtype', 'loss_scale'):
        del cfg.optim_wrapper[key]
