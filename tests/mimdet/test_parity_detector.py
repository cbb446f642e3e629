"""Whole detectors against the official ones: inference and training.

The official weights come in through the conversion.
"""
from functools import partial

import numpy as np
import pytest
import torch
from detector_stages import check_stages, load, prepare
from detectors import build
from golden import Fixture
from mimdet_models import benchmarking_config, detector_config, mimdet_config
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData

from projects.mimdet.convert import convert

BASE = dict(
    encoder=dict(embed_dim=768, depth=12, num_heads=12, img_size=800),
    decoder=dict(decoder_embed_dim=512, depth=4, num_heads=16))


def mimdet(fixture):
    """The detector of a fixture with its weights."""
    config = {**BASE, **fixture.info['config']}
    backbone = mimdet_config({**config, **config['bottom_up']})
    backbone['sample_ratio'] = config['bottom_up']['sample_ratio']
    sizes = {key: config[key]
             for key in ('width', 'fc', 'num_classes')
             if key in config}  # yapf: disable
    channels = config['bottom_up'].get('_out_feature_channels',
                                       [192, 384, 512, 512])
    model = detector_config(backbone, channels, **sizes)
    if 'rpn' in config:
        use_all(model, config)
    model = build(model)
    load(model, convert(fixture.state_dict(), 'mimdet'), fixture)
    return model


@pytest.mark.parametrize(
    'size', ['tiny', pytest.param('base', marks=pytest.mark.slow)])
def test_mimdet(size):
    fixture = Fixture(f'mimdet_detector_{size}')
    model = mimdet(fixture)
    shapes = fixture.info['config']['image_sizes']
    check_stages(model, fixture, prepare(model, fixture, shapes))


def test_benchmarking_vit():
    fixture = Fixture('benchmarking_detector_tiny')
    config = fixture.info['config']
    model = detector_config(
        benchmarking_config(config['bottom_up']),
        [config['bottom_up']['embed_dim']] * 4, config['width'], config['fc'],
        config['num_classes'])
    model.data_preprocessor.type = 'DetDataPreprocessor'
    model.roi_head.mask_head.type = 'SquareImageMaskHead'
    model = build(model)
    load(model, convert(fixture.state_dict(), 'benchmarking-vit'), fixture)
    shapes = [(config['bottom_up']['img_size'], ) * 2] * 2
    check_stages(model, fixture, prepare(model, fixture, shapes))


# --- training ---


def use_all(model, config):
    """Sample every labelled anchor and proposal, so nothing is random."""
    rpn, proposals = model.train_cfg.rpn, config['rpn']['post_nms_topk'][0]
    rpn.sampler.num = config['rpn']['batch_size_per_image']
    model.train_cfg.rpn_proposal.max_per_img = proposals
    model.train_cfg.rcnn.sampler.num = config['roi']['batch_size_per_image']


def ground_truth(config, index, kind):
    """Annotations of an image, masks as polygons or as bitmaps."""
    truth = config['ground_truth'][index]
    height, width = config['image_sizes'][index]
    polygons = PolygonMasks([[np.array(points)]
                             for points in truth['polygons']], height, width)
    masks = polygons
    if kind == 'bitmask':
        masks = BitmapMasks(polygons.to_ndarray().astype(np.uint8), height,
                            width)
    return InstanceData(
        bboxes=torch.tensor(truth['boxes']),
        labels=torch.tensor(truth['classes']),
        masks=masks)


def training_batch(model, fixture, kind):
    config = fixture.info['config']
    samples = []
    for index, (height, width) in enumerate(config['image_sizes']):
        sample = DetDataSample(
            metainfo=dict(img_shape=(height, width), scale_factor=(1., 1.)))
        sample.gt_instances = ground_truth(config, index, kind)
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
        samples.append(sample)
    images = [fixture.input(f'image{i}').flip(0) for i in range(len(samples))]
    batch = model.data_preprocessor(
        dict(inputs=images, data_samples=samples), True)
    for sample in batch['data_samples']:
        # detectron2 learns from the anchors in the padding too
        sample.set_metainfo(dict(pad_shape=sample.batch_input_shape))
    return batch


@pytest.mark.parametrize('kind', ['polygon', 'bitmask'])
def test_training(kind):
    fixture = Fixture('mimdet_detector_tiny_train')
    config = fixture.info['config']
    model = mimdet(fixture).train()
    model.backbone.forward = partial(
        model.backbone.forward, noise_BL=fixture.input('noise'))
    batch = training_batch(model, fixture, kind)
    losses = model.loss(
        **{
            'batch_inputs': batch['inputs'],
            'batch_data_samples': batch['data_samples']
        })
    # mmdet divides by the sampled anchors, detectron2 by the wanted ones
    targets = rpn_samples(model, batch)
    wanted = len(config['image_sizes']) * config['rpn']['batch_size_per_image']
    ours = dict(
        loss_cls=losses['loss_cls'],
        loss_box_reg=losses['loss_bbox'],
        loss_mask=losses['loss_mask'],
        loss_rpn_cls=sum(losses['loss_rpn_cls']) * targets / wanted,
        loss_rpn_loc=sum(losses['loss_rpn_bbox']) * targets / wanted)
    for name, value in ours.items():
        fixture.check(f'loss.{kind}.{name}', value)
    if kind == 'polygon':
        check_step(model, fixture, sum(ours.values()))


def check_step(model, fixture, loss):
    """Gradients, and what the batch norms remember of the batch."""
    loss.backward()
    gradients = {name: param.grad for name, param in model.named_parameters()
                 if param.grad is not None}  # yapf: disable
    fixture.check_gradients(convert(gradients, 'mimdet', backward=True))
    state = convert(model.state_dict(), 'mimdet', backward=True)
    for name in fixture.info['config']['bn_after']:
        fixture.check(f'after.{name}', state[name])


def rpn_samples(model, batch):
    """Number of anchors that the loss is averaged over."""
    head = model.rpn_head
    sizes = [(side, side) for side in (40, 20, 10, 5, 3)]
    anchors, valid = head.get_anchors(
        sizes, [sample.metainfo for sample in batch['data_samples']], 'cpu')
    truths = [sample.gt_instances for sample in batch['data_samples']]
    return head.get_targets(
        anchors, valid, truths,
        [sample.metainfo for sample in batch['data_samples']])[-1]
