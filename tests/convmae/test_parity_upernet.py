"""UperNet with ConvMAE against the numbers of the official implementation.

Weights are made under the official names and converted, gradients and
optimiser settings are converted back.
"""
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import Fixture
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from projects.convmae.convert import convert

CONFIGS = Path(__file__).parents[2] / 'configs/convmae/segmentation'
BASE = 'convmae-base_upernet_8xb2-amp-160k_ade20k-512x512.py'


def load_config(name=BASE):
    return Config.fromfile(CONFIGS / name)


def build(cfg):
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(cfg.model).eval()


def fixture_config(fixture):
    """The published config, at a fixture's size."""
    cfg = load_config()
    info = fixture.info['config']
    backbone, classes = info['backbone'], info['num_classes']
    width = backbone['embed_dim']
    cfg.model.backbone.arch = dict(
        channels=width,
        depths=backbone['depth'],
        mlp_ratios=backbone['mlp_ratio'],
        num_heads=backbone['num_heads'])
    cfg.model.backbone.img_size = backbone['img_size'][0]
    cfg.model.decode_head.update(
        in_channels=[*width, width[-1]],
        channels=info['channels'],
        num_classes=classes)
    cfg.model.auxiliary_head.update(
        in_channels=width[-1],
        channels=info['aux_channels'],
        num_classes=classes)
    cfg.model.test_cfg.update(
        crop_size=info['crop_size'], stride=info['stride'])
    return cfg


def load(model, official):
    """Strictly load converted official weights."""
    result = model.load_state_dict(convert(official, 'seg'), strict=False)
    assert not result.unexpected_keys
    assert all(
        key.endswith('num_batches_tracked') for key in result.missing_keys)


@pytest.fixture(
    scope='module',
    params=['tiny', pytest.param('base', marks=pytest.mark.slow)])
def case(request):
    fixture = Fixture(f'convmae_upernet_{request.param}')
    model = build(fixture_config(fixture))
    load(model, fixture.state_dict())
    return fixture, model


@torch.no_grad()
def test_logits(case):
    fixture, model = case
    features = model.extract_feat(fixture.input('imgs'))
    fixture.check('decode_logits', model.decode_head(features))
    fixture.check('auxiliary_logits', model.auxiliary_head(features))
    count = sum(param.numel() for param in model.parameters())
    assert count == fixture.info['param_count_all']


def labelled(fixture):
    """Images and their random labels."""
    images = fixture.input('imgs')
    info = fixture.info['config']
    random = np.random.RandomState(info['label_seed'])
    labels = random.randint(0, info['num_classes'] + 1,
                            (len(images), *images.shape[2:]))
    labels[labels == info['num_classes']] = 255
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=torch.from_numpy(one)[None]))
        for one in labels
    ]
    return images, samples


@pytest.mark.parametrize('case', ['tiny'], indirect=True)
def test_losses_and_gradients(case):
    fixture, model = case
    losses = model.loss(*labelled(fixture))
    fixture.check('loss_decode', losses['decode.loss_ce'])
    fixture.check('loss_auxiliary_weighted', losses['aux.loss_ce'])
    (losses['decode.loss_ce'] + losses['aux.loss_ce']).backward()
    ours = {name: param.grad for name, param in model.named_parameters()}
    fixture.check_gradients(convert(ours, 'seg', backward=True))


@pytest.mark.parametrize('case', ['tiny'], indirect=True)
@torch.no_grad()
def test_sliding_window(case):
    fixture, model = case
    image = fixture.input('slide')
    logits = model.slide_inference(image, [dict(ori_shape=image.shape[2:])])
    fixture.check('slide_logits', logits)


def settings_by_official_name(name):
    """Learning-rate scale and weight decay of each parameter."""
    cfg = load_config(name)
    cfg.optim_wrapper.type = 'OptimWrapper'  # the other needs a GPU
    for key in ('dtype', 'loss_scale'):
        cfg.optim_wrapper.pop(key)
    with torch.device('meta'):
        model = build(cfg)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    groups = {
        id(group['params'][0]): group
        for group in wrapper.optimizer.param_groups
    }
    parameters = dict(model.named_parameters())
    assert len(groups) == len(parameters)
    official = convert(parameters, 'seg', backward=True)
    ours = [groups[id(param)] for param in parameters.values()]
    return {
        key: (group['lr'] / 1e-4, group['weight_decay'])
        for key, group in zip(official, ours)
    }


def test_optimiser_groups():
    expected = Fixture('optim_convmae_upernet_base').info['parameters']
    settings = settings_by_official_name(BASE)
    assert settings.keys() == expected.keys()
    for key, entry in expected.items():
        assert settings[key] == (pytest.approx(entry['lr_scale'], rel=1e-12),
                                 entry['weight_decay']), key


def test_optimiser_groups_without_decay_of_positions():
    """The corrected variant differs in position embedding and tables only."""
    official = settings_by_official_name(BASE)
    corrected = settings_by_official_name(
        BASE.replace('160k', '160k-pos-wd0', 1))
    differ = {key for key in official if official[key] != corrected[key]}
    assert differ == {
        'backbone.pos_embed',
        *(f'backbone.blocks3.{i}.attn.relative_position_bias_table'
          for i in range(11))
    }
    for key in differ:
        assert official[key] == (corrected[key][0], 0.05)
        assert corrected[key][1] == 0


def test_schedule():
    """mmcv 1.x's poly decay times its linear warm-up."""
    cfg = load_config()
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-4)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(one, optimizer=optimizer))
        for one in cfg.param_scheduler
    ]
    for step in range(1700):
        warmup = 1 - (1 - min(step / 1500, 1)) * (1 - 1e-6)
        expected = 1e-4 * (1 - step / 160_000) * warmup
        assert optimizer.param_groups[0]['lr'] == pytest.approx(
            expected, rel=1e-9), step
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()


@pytest.mark.parametrize('name, count', [
    (BASE, 160_175_664),
    ('convmae-base-maxpool_upernet-no-aux_8xb2-amp-160k_ade20k-512x512.py',
     153_056_410),
])
def test_parameter_counts(name, count):
    with torch.device('meta'):
        model = build(load_config(name))
    assert sum(param.numel() for param in model.parameters()) == count
