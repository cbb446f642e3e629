"""VideoConvViT: visible tubes against the dense reference, sizes, errors."""
import pytest
import torch
from encoding import assert_equals_dense, with_random_vectors
from mmpretrain.registry import MODELS

import projects.videoconvmae  # noqa: F401
from projects.common.masking import (RandomTokenMasking, TokenMask,
                                     TubeTokenMasking)
from projects.videoconvmae import VideoConvViT

ARCH = dict(
    channels=(8, 16, 32), depths=(2, 1, 2), mlp_ratios=(2, 2, 2), num_heads=4)


def build(**kwargs):
    return with_random_vectors(
        VideoConvViT(**{
            'arch': ARCH,
            'img_size': 64,
            'num_frames': 8,
            **kwargs
        }))


def clips(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize('shape, rule', [
    ((2, 3, 8, 64, 64), TubeTokenMasking(0.9)),
    ((1, 3, 6, 48, 80), TubeTokenMasking(0.5)),
    ((2, 1, 2, 32, 64), TubeTokenMasking(0.6)),
    ((2, 3, 8, 32, 32), RandomTokenMasking(0.75)),
])
@pytest.mark.parametrize('kernel', [(5, 5, 5), (3, 5, 5), (1, 3, 7)])
def test_outputs_and_gradients_equal_the_dense_reference(shape, rule, kernel):
    model = build(in_channels=shape[1], dw_kernel=kernel)
    x = clips(*shape)
    assert_equals_dense(model, x, rule(len(x), model.token_grid(x)))


def test_masked_tubes_do_not_reach_the_latent():
    model = build()
    x = clips(2, 3, 8, 64, 64)
    mask = TubeTokenMasking(0.9)(2, (4, 4, 4))
    assert mask.keep_BK.shape == (2, 4 * 2)
    hidden = 1 - mask.visible_map((2, 16, 16)).double()
    changed = x + hidden * torch.randn_like(x) * 100
    tokens, cells = model.encode(x, mask)
    other, other_cells = model.encode(changed, mask)
    assert torch.equal(tokens, other)
    assert all(map(torch.equal, cells, other_cells))
    # the ablation without masked convolution does leak
    model.masked_conv = False
    leak = model.encode(x, mask)[0] - model.encode(changed, mask)[0]
    assert leak.abs().max() > 1e-3


def test_all_visible_is_the_plain_forward():
    model = build()
    x = clips(1, 3, 8, 64, 64)
    everything = TokenMask(torch.arange(64)[None], (4, 4, 4))
    dense = model(x)[-1].flatten(2).transpose(1, 2)
    assert (model.encode(x, everything)[0] - dense).abs().max() < 1e-10


@pytest.mark.parametrize('pos', ['3d_sincos', '1d_sincos', 'learned'])
@pytest.mark.parametrize('size', [(2, 16, 16), (8, 64, 64), (12, 32, 80)])
def test_any_clip_that_cubes_divide(pos, size):
    model = build(pos=pos, out_indices=(0, 1, 2)).float()
    maps = model(torch.randn(2, 3, *size))
    time, height, width = size
    assert [tuple(x.shape) for x in maps
            ] == [(2, channels, time // 2, height // stride, width // stride)
                  for channels, stride in zip((8, 16, 32), (4, 8, 16))]
    sum(x.square().sum() for x in maps).backward()
    assert all(param.grad is not None and param.grad.any()
               for param in model.parameters())


@pytest.mark.parametrize('size', [(7, 64, 64), (8, 60, 64), (8, 64, 8)])
def test_clips_that_cubes_do_not_divide(size):
    with pytest.raises(
            ValueError, match='input clip is .*frames and pixels.*2x16x16'):
        build()(clips(1, 3, *size))


def test_images_are_no_clips():
    with pytest.raises(ValueError, match='batch of clips, of 5 dimensions'):
        build()(clips(1, 3, 64, 64))


@pytest.mark.parametrize('settings, message', [
    (dict(num_frames=15), 'img_size is 15x64x64'),
    (dict(dw_kernel=(4, 5, 5)), 'dw_kernel is .*odd'),
    (dict(dw_kernel=(5, 5)), '3 of them'),
    (dict(pos='2d_sincos'), "pos is '2d_sincos'"),
    (dict(pos='learned', pos_trainable=False), 'would stay random'),
    (dict(out_indices=(3, )), 'out_indices'),
    (dict(arch='bse'), "did you mean 'base'"),
])
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_checkpoints_of_other_lengths_and_sizes():
    source = build()
    for settings in (dict(num_frames=16), dict(img_size=96)):
        target = build(**settings)
        target.load_state_dict(source.state_dict())
        expected = source._pos(target.grid)
        assert torch.equal(target.pos_embed, expected)


def classifier(backbone, channels, num_classes):
    return MODELS.build(
        dict(
            type='ImageClassifier',
            data_preprocessor=dict(
                type='ClipDataPreprocessor', mean=[0.] * 3, std=[1.] * 3),
            backbone=backbone,
            neck=dict(type='TokenPooling', channels=channels),
            head=dict(
                type='LinearClsHead',
                num_classes=num_classes,
                in_channels=channels)))


def test_parameter_count():
    """Specification 7.2: Base, 5x5x5, a stored embedding of 1568 tokens."""
    with torch.device('meta'):
        model = classifier(dict(type='VideoConvViT'), 768, 400)
    assert sum(p.numel() for p in model.parameters()) == 86_107_408
    assert model.backbone.pos_embed.shape == (1, 1568, 768)


def test_classifier_pools_all_tokens():
    model = classifier(
        dict(type='VideoConvViT', arch=ARCH, img_size=32, num_frames=4), 32,
        5).double().eval()
    x = clips(2, 3, 6, 32, 48)
    tokens = model.backbone(x)[-1].flatten(2).mean(dim=2)
    expected = model.head.fc(model.neck.fc_norm(tokens))
    assert torch.allclose(model(x), expected)


def test_layer_depths():
    """Stems, both convolution stages and the position embedding are 0."""
    model = build()
    depths = {
        name: model.get_layer_depth(f'backbone.{name}', 'backbone.')
        for name, _ in model.named_parameters()
    }
    assert {total for _, total in depths.values()} == {4}
    for name, (depth, _) in depths.items():
        in_block = name.startswith('stages.2.blocks.')
        assert depth == (int(name.split('.')[3]) + 1 if in_block else 0)
    assert model.get_layer_depth('head.fc.weight', 'backbone.') == (3, 4)
