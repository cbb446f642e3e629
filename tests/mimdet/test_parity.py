"""MIMDet and MAE against the numbers of the official implementations.

Everything goes through the conversion tables: weights are made under the
official names and converted, gradients are converted back.
"""
import pytest
import torch
from golden import Fixture
from mimdet_models import benchmarking_config, build_mae, mimdet_config
from mmengine.registry import MODELS
from torch.nn import functional as F

from projects.common.pos_embed import sincos_pos_embed
from projects.mimdet.convert import convert
from projects.mimdet.data_preprocessor import PaddedImages
from projects.mimdet.encoder import token_grid

BOTTOM_UP = 'backbone.bottom_up.'


def to_ours(official, kind):
    """Names of a backbone alone, from its official names."""
    ours = convert({BOTTOM_UP + key: value
                    for key, value in official.items()}, kind)  # yapf: disable
    return {key.removeprefix('backbone.'): ours[key] for key in ours}


def to_official(ours, kind):
    official = convert({f'backbone.{key}': value
                        for key, value in ours.items()}, kind,
                       backward=True)  # yapf: disable
    return {key.removeprefix(BOTTOM_UP): official[key] for key in official}


def load(backbone, fixture, kind):
    """Load the rule's weights; what stays is checked against the fixture."""
    result = backbone.load_state_dict(
        to_ours(fixture.state_dict(), kind), strict=False)
    untouched = fixture.info['untouched_keys']
    assert not result.unexpected_keys
    assert len(result.missing_keys) == len(untouched)
    official = to_official(backbone.state_dict(), kind)
    for name in untouched:
        fixture.check_untouched(name, official[name])
    count = sum(param.numel() for param in backbone.parameters())
    assert count == fixture.info['param_count_all']


def gradients(backbone, fixture, maps, kind):
    """Gradients of the fixtures' scalar, under the official names."""
    loss = sum((value * fixture.cotangent(name)).mean()
               for name, value in maps.items())  # yapf: disable
    loss.backward()
    return to_official(
        {name: param.grad for name, param in backbone.named_parameters()
         if param.grad is not None}, kind)  # yapf: disable


def padded_batch(fixture):
    config = fixture.info['config']
    height, width = config['padded_size']
    images = [
        fixture.input(f'img{index}')
        for index in range(len(config['image_sizes']))
    ]
    padded = [
        F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1]))
        for image in images
    ]
    sizes = tuple(tuple(size) for size in config['image_sizes'])
    return PaddedImages(torch.stack(padded), sizes)


@pytest.mark.parametrize(
    'name',
    ['tiny_sr50', 'tiny_sr100', 'tiny_epsprobe', 'base_sr50', 'base_sr100'])
def test_mimdet(name):
    fixture = Fixture(f'mimdet_{name}')
    backbone = MODELS.build(mimdet_config(fixture.info['config'])).eval()
    load(backbone, fixture, 'mimdet')
    images, noise = padded_batch(fixture), fixture.input('noise')
    maps = dict(zip(('c2', 'c3', 'c4', 'c5'), backbone(images, noise)))
    for output, value in maps.items():
        fixture.check(output, value)
    if 'token_rank' in fixture.info['outputs']:
        check_sample(fixture, backbone, images, noise)
    if 'gradients' in fixture.info:
        fixture.check_gradients(gradients(backbone, fixture, maps, 'mimdet'))


def check_sample(fixture, backbone, images, noise):
    """The sampled tokens are those of the lowest official ranks."""
    grid = token_grid(images.tensor)
    mask = backbone.sampling(
        len(noise), grid, False, 'cpu', images.valid_hw, noise)
    rank_BL = fixture.arrays[fixture.info['outputs']['token_rank']['array']]
    keep = mask.keep_BK.shape[1]
    assert keep == fixture.info['config']['kept_tokens']
    for ranks, positions in zip(rank_BL, mask.keep_BK.tolist()):
        assert ranks[positions].tolist() == list(range(keep))


@pytest.mark.parametrize(
    'name',
    ['tiny', 'tiny_epsprobe',
     pytest.param('base', marks=pytest.mark.slow)])
def test_benchmarking_vit(name):
    fixture = Fixture(f'benchmarking_vit_{name}')
    for check in fixture.info.get('untouched_check', {}).values():
        check['atol'] = 4e-6  # sines of float32 angles there, float64 here
    backbone = MODELS.build(
        benchmarking_config(fixture.info['config']['args'])).eval()
    load(backbone, fixture, 'benchmarking-vit')
    with torch.set_grad_enabled('gradients' in fixture.info):
        maps = backbone(fixture.input('imgs'))
    maps = {f's{index}': value for index, value in enumerate(maps)}
    for output, value in maps.items():
        fixture.check(output, value)
    if 'gradients' in fixture.info:
        fixture.check_gradients(
            gradients(backbone, fixture, maps, 'benchmarking-vit'))


ARCHS = {
    'mae_vit_base_patch16':
    dict(
        img_size=224,
        patch_size=16,
        embed_dim=768,
        depth=12,
        num_heads=12,
        decoder_embed_dim=512,
        decoder_depth=8,
        decoder_num_heads=16)
}


def mae_weights(fixture, side):
    """The rule's weights, and the tables that the constructor fills."""
    weights = fixture.state_dict()
    for name in fixture.info['untouched_keys']:
        channels = fixture.info['state_dict'][name][-1]
        table = sincos_pos_embed(channels, (side, side))
        weights[name] = F.pad(table, (0, 0, 1, 0))
        fixture.check_untouched(name, weights[name])
    return weights


@pytest.mark.parametrize('name', ['tiny', 'tiny_epsprobe', 'base'])
def test_mae(name, monkeypatch):
    """An official MAE runs in mmpretrain's classes."""
    fixture = Fixture(f'mae_{name}')
    config = fixture.info['config']
    config.update(ARCHS.get(config.get('arch'), {}))
    side = config['img_size'] // config['patch_size']
    model = build_mae(config).eval()
    model.load_state_dict(convert(mae_weights(fixture, side), 'mae'))
    count = sum(param.numel() for param in model.parameters())
    assert count == fixture.info['param_count_all']

    images, noise = fixture.input('imgs'), fixture.input('noise')
    monkeypatch.setattr(torch, 'rand', lambda *size, **kwargs: noise)
    latent, mask, restore = model.backbone(images)
    monkeypatch.undo()
    pred = model.neck(latent, restore)
    loss = model.head.loss(pred, images, mask)
    for output, value in dict(
            loss=loss, pred=pred, latent=latent,
            mask=mask.to(torch.uint8)).items():  # yapf: disable
        fixture.check(output, value)
    if 'gradients' in fixture.info:
        loss.backward()
        fixture.check_gradients(
            convert({name: param.grad
                     for name, param in model.named_parameters()
                     if param.grad is not None}, 'mae',
                    backward=True))  # yapf: disable
