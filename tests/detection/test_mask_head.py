"""Post-processing of detections on square, padded images."""
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

import projects.detection  # noqa: F401

TEST_CFG = ConfigDict(mask_thr_binary=0.5)


def predict(meta, boxes, rescale=True):
    head = MODELS.build(
        dict(
            type='SquareImageMaskHead',
            num_convs=0,
            in_channels=4,
            conv_out_channels=4,
            num_classes=2))
    results = InstanceData(
        bboxes=torch.tensor(boxes),
        labels=torch.arange(len(boxes)) % 2,
        scores=torch.linspace(.9, .1, len(boxes)))
    masks = torch.full((len(boxes), 2, 28, 28), 9.)  # everywhere
    return head.predict_by_feat([masks], [results], [meta],
                                TEST_CFG,
                                rescale=rescale)[0]


# 100 x 61 pixels were shown as 64 x 39 in a square of 64
META = dict(ori_shape=(61, 100), img_shape=(64, 64), scale_factor=(.64, .639))


def test_one_factor_clipping_and_padding():
    found = predict(META, [[8., 16., 32., 32.], [10., 45., 30., 60.],
                           [32., 16., 64., 48.]])  # yapf: disable
    # the second lies in the padding, the third reaches into it
    factor = 100 / 64
    expected = torch.tensor([[8., 16., 32., 32.], [32., 16., 64., 48.]])
    expected = expected * factor
    expected[1, 3] = 61
    torch.testing.assert_close(found.bboxes, expected)
    assert found.labels.tolist() == [0, 0]
    assert found.masks.shape == (2, 61, 100)
    # masks fill their clipped boxes
    assert found.masks[1].nonzero().amin(0).tolist() == [25, 50]
    assert found.masks[1].nonzero().amax(0).tolist() == [60, 99]


def test_nothing_but_padding_and_nothing_at_all():
    found = predict(META, [[10., 45., 30., 60.]])
    assert len(found) == 0 and found.masks.shape == (0, 61, 100)
    meta = dict(META, scale_factor=(1., 1.))
    kept = predict(meta, [[10., 45., 30., 60.]], rescale=False)
    assert kept.bboxes.tolist() == [[10., 45., 30., 60.]]
