"""Boxes keep their precision under mixed precision."""
import pytest
import torch
from detectors import MASK_RCNN
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

import projects.detection  # noqa: F401


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def test_anchors_and_proposals_stay_float32():
    cfg = Config.fromfile(MASK_RCNN).model
    head = MODELS.build(
        dict(
            cfg.rpn_head,
            in_channels=8,
            feat_channels=8,
            train_cfg=cfg.train_cfg.rpn,
            test_cfg=cfg.test_cfg.rpn))
    feats = [torch.randn(1, 8, 256 >> level, 256 >> level)
             for level in range(5)]  # yapf: disable
    with torch.autocast('cpu', dtype=torch.bfloat16):
        scores, deltas = head(feats)
        proposals = head.predict_by_feat(
            scores, [0 * delta for delta in deltas],
            batch_img_metas=[dict(img_shape=(1024, 1024))])[0].bboxes
    assert {x.dtype for x in (*scores, *deltas)} == {torch.float32}
    # without deltas proposals are anchors, whose centres are on a grid of 4;
    # in bfloat16 their corners would be and, mostly, their centres not
    inside = proposals[(proposals[:, :2].amin(1) > 0)
                       & (proposals[:, 2:].amax(1) < 1024)]
    centres = (inside[:, :2] + inside[:, 2:]) / 2
    assert centres.max() > 900
    assert (centres - (centres / 4).round() * 4).abs().max() < 1e-3


def test_regions_are_pooled_in_float32():
    cfg = Config.fromfile(MASK_RCNN).model.roi_head.bbox_roi_extractor
    extractor = MODELS.build(dict(cfg, out_channels=2))
    torch.manual_seed(0)
    feats = [torch.randn(1, 2, 256 >> level, 256 >> level).bfloat16()
             for level in range(4)]  # yapf: disable
    rois = torch.tensor([[0., 901.3, 902.6, 913.4, 918.7]])
    pooled = extractor(feats, rois)
    assert pooled.dtype == torch.float32
    full = [feat.float() for feat in feats]
    torch.testing.assert_close(pooled, extractor(full, rois))
    # in any memory layout
    full = [feat.to(memory_format=torch.channels_last) for feat in full]
    torch.testing.assert_close(pooled, extractor(full, rois))
