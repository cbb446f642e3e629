"""mmdet's parts with our settings against those of the published detectors.

Where mmdet agrees with detectron2 we use mmdet's part; this is how we know.
"""
import numpy as np
import pytest
import torch
from detectors import MASK_RCNN, check_bits
from golden import Fixture
from mmcv.ops import batched_nms
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from mmdet.structures.mask import BitmapMasks, PolygonMasks, mask_target
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData

import projects.detection  # noqa: F401


@pytest.fixture(scope='module')
def fixture():
    return Fixture('detection_primitives')


@pytest.fixture(scope='module')
def model_cfg():
    return Config.fromfile(MASK_RCNN).model


def test_anchors(fixture, model_cfg):
    generator = TASK_UTILS.build(model_cfg.rpn_head.anchor_generator)
    height, width = fixture.info['config']['image_size']
    sizes = [(-(-height // stride), -(-width // stride))
             for stride in (4, 8, 16, 32, 64)]  # yapf: disable
    for level, anchors in enumerate(
            generator.grid_priors(sizes, device='cpu')):
        name = f'anchors.level{level}'
        fixture.check(f'{name}.shape', torch.tensor(anchors.shape))
        fixture.check(f'{name}.first6', anchors[:6])
        fixture.check(f'{name}.last3', anchors[-3:])


@pytest.mark.parametrize('kind, side', [('bbox', 7), ('mask', 14)])
def test_region_pooling(fixture, model_cfg, kind, side):
    cfg = model_cfg.roi_head[f'{kind}_roi_extractor']
    channels = fixture.info['config']['channels']
    extractor = MODELS.build(dict(cfg, out_channels=channels))
    feats = tuple(fixture.input(f'feat{level}') for level in range(4))
    rois = bbox2roi([fixture.input(f'roi_boxes{i}') for i in range(2)])
    fixture.check(f'roi_pool_{side}', extractor(feats, rois))
    fixture.check('roi_levels', extractor.map_roi_levels(rois, 4))
    boundary = bbox2roi([fixture.input('boundary_boxes')])
    fixture.check('boundary_levels', extractor.map_roi_levels(boundary, 4))


@pytest.mark.parametrize('head', ['rpn', 'roi'])
def test_box_coder(fixture, model_cfg, head):
    cfg = model_cfg.rpn_head if head == 'rpn' else model_cfg.roi_head.bbox_head
    coder = TASK_UTILS.build(cfg.bbox_coder)
    source, target = fixture.input('box_a'), fixture.input('box_b')
    deltas = fixture.input('deltas') * (5 if head == 'roi' else 1)
    fixture.check(f'encode_{head}', coder.encode(source, target))
    fixture.check(f'decode_{head}', coder.decode(source, deltas))


@pytest.mark.parametrize('head', ['rpn', 'roi'])
def test_matching(fixture, model_cfg, head):
    cfg = model_cfg.train_cfg['rpn' if head == 'rpn' else 'rcnn'].assigner
    assigner = TASK_UTILS.build(cfg)
    truth, candidates = fixture.input('gt'), fixture.input('cand')
    fixture.check('iou', bbox_overlaps(truth, candidates))
    result = assigner.assign(
        InstanceData(priors=candidates),
        InstanceData(bboxes=truth, labels=torch.arange(len(truth))))
    label = result.gt_inds.sign()
    fixture.check(f'match_{head}_label', label)
    stored = fixture.arrays[f'out.match_{head}_index']
    positive = label.numpy() == 1
    np.testing.assert_array_equal((result.gt_inds - 1).numpy()[positive],
                                  stored[positive])


def test_nms(fixture, model_cfg):
    _, keep = batched_nms(
        fixture.input('nms_boxes'), fixture.input('nms_scores'),
        fixture.input('nms_class'), model_cfg.test_cfg.rcnn.nms)
    fixture.check('nms_keep', keep)


def test_mask_pasting(fixture, model_cfg):
    head = MODELS.build(dict(model_cfg.roi_head.mask_head, num_classes=1))
    boxes = fixture.input('mask_boxes')
    probability = fixture.input('mask_prob').view(len(boxes), 1, 28, 28)
    masks = head._predict_by_feat_single(
        probability,
        boxes.clone(),
        torch.zeros(len(boxes), dtype=torch.long),
        dict(
            scale_factor=(1., 1.),
            ori_shape=fixture.info['config']['image_size']),
        model_cfg.test_cfg.rcnn,
        rescale=True,
        activate_map=True)
    check_bits(fixture, 'paste_packed', masks)
    fixture.check('paste_area', masks.sum(dim=(1, 2)).float())


@pytest.mark.parametrize('kind', ['polygon', 'bitmask'])
def test_mask_targets(fixture, kind):
    config = fixture.info['config']
    polygons = PolygonMasks([[np.array(polygon)]
                             for polygon in config['polygons']],
                            *config['image_size'])
    masks = polygons
    if kind == 'bitmask':
        masks = BitmapMasks(polygons.to_ndarray(), *config['image_size'])
        fixture.check('polygon_bitmask_area',
                      torch.from_numpy(masks.areas.astype(np.float32)))
    boxes = torch.tensor(config['polygon_boxes'])
    targets = mask_target([boxes], [torch.arange(len(boxes))], [masks],
                          ConfigDict(mask_size=28))
    check_bits(fixture, f'{kind}_targets_packed', targets.bool())
