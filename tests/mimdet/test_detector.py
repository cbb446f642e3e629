"""MIMDet in mmdet's detectors: padding, plain tensors, merged passes."""
import copy

import numpy as np
import pytest
import torch
from detectors import build
from mimdet_models import NARROW, TINY_CHANNELS, detector_config, tiny
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from projects.mimdet.data_preprocessor import PaddedImages


def batch_of(*sizes):
    """Random images with one object each, as a data loader gives them."""
    images, samples = [], []
    for height, width in sizes:
        images.append(
            torch.randint(0, 256, (3, height, width), dtype=torch.uint8))
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(height, width),
                ori_shape=(2 * height, 2 * width),
                scale_factor=(0.5, 0.5)))
        box = torch.tensor([[1., 1., width - 1., height - 2.]])
        sample.gt_instances = InstanceData(
            bboxes=box,
            labels=torch.tensor([1]),
            masks=BitmapMasks(
                np.ones((1, height, width), np.uint8), height, width))
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def prepared(model, batch, training=False):
    return model.data_preprocessor(copy.deepcopy(batch), training)


def assert_same(first, second):
    assert len(first) == len(second) > 0
    for ours, theirs in zip(first, second):
        ours, theirs = ours.pred_instances, theirs.pred_instances
        assert len(ours) == len(theirs) > 0
        for key in ('scores', 'bboxes', 'labels', 'masks'):
            assert torch.equal(ours[key], theirs[key]), key


def eager(config):
    """Detect something with random weights, among few proposals."""
    config.test_cfg.rcnn.score_thr = 0.
    config.test_cfg.rcnn.max_per_img = 20
    config.test_cfg.rpn.update(nms_pre=60, max_per_img=60)
    config.train_cfg.rpn_proposal.update(nms_pre=60, max_per_img=60)
    return config


def detector(backbone, **changes):
    config = eager(detector_config(backbone, TINY_CHANNELS, **NARROW))
    config.update(changes)
    model = build(config)
    model.init_weights()
    return model


def test_preprocessor_tells_sizes():
    model = detector(tiny())
    data = prepared(model, batch_of((40, 60), (50, 33)))
    inputs = data['inputs']
    assert isinstance(inputs, PaddedImages)
    assert inputs.tensor.shape == (2, 3, 64, 64)
    assert inputs.valid_hw == ((40, 60), (50, 33))
    assert not inputs.tensor[0, :, 40:].any()
    assert not inputs.tensor[1, :, :, 33:].any()


def test_preprocessor_without_samples():
    model = detector(tiny())
    data = model.data_preprocessor(
        dict(inputs=[torch.zeros(3, 10, 20)], data_samples=None))
    assert data['inputs'].valid_hw == ((10, 20), )


@pytest.mark.parametrize('sizes', [((40, 60), (50, 33)),
                                   ((32, 32), (40, 1333)), ((7, 9), (32, 65))])
def test_trains(sizes):
    """Losses of images of very different sizes, or smaller than a patch."""
    model = detector(tiny()).train()
    data = prepared(model, batch_of(*sizes), training=True)
    losses, _ = model.parse_losses(model(**data, mode='loss'))
    losses.backward()
    assert losses.isfinite()
    assert all(param.grad.isfinite().all()
               for param in model.backbone.parameters() if param.requires_grad)


def test_stock_detector_and_preprocessor():
    """At ratio 1 nothing of ours is needed around the backbone."""
    ours = detector(tiny())
    config = eager(detector_config(tiny(), TINY_CHANNELS, **NARROW))
    config.data_preprocessor.type = 'DetDataPreprocessor'
    stock = build(config)
    stock.load_state_dict(ours.state_dict())
    batch = batch_of((40, 60), (50, 33))
    with torch.no_grad():
        assert_same(
            ours(**prepared(ours, batch), mode='predict'),
            stock(**prepared(stock, batch), mode='predict'))


MULTI = dict(type='MultiPassMaskRCNN', num_passes=3)


@pytest.mark.parametrize('num_passes', [2, 4])
@torch.no_grad()
def test_passes_that_agree_give_one_pass(num_passes):
    single = detector(tiny())
    multi = detector(
        tiny(test_sample_ratio=0.5),
        type='MultiPassMaskRCNN',
        num_passes=num_passes)
    multi.load_state_dict(single.state_dict())
    multi.backbone.sampling.test_ratio = 1.
    batch = batch_of((40, 60), (50, 33))
    assert_same(
        single(**prepared(single, batch), mode='predict'),
        multi(**prepared(multi, batch), mode='predict'))


@torch.no_grad()
def test_passes_of_a_sample_differ_and_repeat():
    multi = detector(tiny(test_sample_ratio=0.5), **MULTI)
    single = detector(tiny(test_sample_ratio=0.5))
    single.load_state_dict(multi.state_dict())
    batch = batch_of((40, 60))
    data = prepared(multi, batch)
    maps = [multi.backbone(data['inputs'], seed=seed) for seed in range(2)]
    assert not torch.equal(maps[0][2], maps[1][2])
    first, second = (multi(**prepared(multi, batch), mode='predict')
                     for _ in range(2))  # yapf: disable
    assert_same(first, second)
    one = single(**prepared(single, batch), mode='predict')
    assert not torch.equal(first[0].pred_instances.scores,
                           one[0].pred_instances.scores)


@torch.no_grad()
def test_nothing_found():
    config = detector_config(
        tiny(test_sample_ratio=0.5), TINY_CHANNELS, **NARROW)
    config.update(MULTI)
    config.test_cfg.rcnn.score_thr = 2.
    model = build(config)
    sample, = model(**prepared(model, batch_of((40, 60))), mode='predict')
    assert sample.pred_instances.masks.shape == (0, 80, 120)


@pytest.mark.parametrize('change, message', [
    (dict(num_passes=0), 'num_passes is 0'),
    (dict(backbone=tiny()), 'every pass would see the same'),
    (dict(backbone=tiny(test_sample_ratio=.5, sampling='column')),
     'every pass would see the same'),
    (dict(backbone=dict(type='mmpretrain.ConvNeXt', arch='atto')),
     'every pass would see the same'),
])
def test_passes_need_samples(change, message):
    config = detector_config(
        tiny(test_sample_ratio=0.5), TINY_CHANNELS, **NARROW)
    config.update(MULTI)
    for key, value in change.items():
        config[key] = ConfigDict(value) if key == 'backbone' else value
    with pytest.raises(ValueError, match=message):
        build(config)
