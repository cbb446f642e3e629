"""The visible-block encoder against the dense reference."""
import pytest
import torch
from encoding import assert_equals_dense, with_random_vectors
from mmengine.registry import MODELS

import projects.convmae  # noqa: F401
from projects.common.masking import (DisjointTokenMasking, RandomTokenMasking,
                                     TokenMask)


def build(**kwargs):
    return with_random_vectors(
        MODELS.build(
            dict(type='ConvViT', **{
                'arch': 'tiny',
                'img_size': 64,
                **kwargs
            })))


@pytest.mark.parametrize('kernel', [3, 5, 9])
@pytest.mark.parametrize('shape, rule', [
    ((2, 3, 64, 64), RandomTokenMasking(0.75)),
    ((2, 3, 48, 96), RandomTokenMasking(0.5)),
    ((1, 1, 64, 32), RandomTokenMasking(0.3)),
    ((2, 3, 64, 64), DisjointTokenMasking(0.75, 4)),
    ((2, 4, 64, 48), DisjointTokenMasking(0.8, 2)),
])
def test_outputs_and_gradients_equal_the_dense_reference(shape, rule, kernel):
    model = build(in_channels=shape[1], dw_kernel=kernel)
    images = torch.randn(shape, dtype=torch.float64)
    mask = rule(len(images), model.token_grid(images))
    assert_equals_dense(model, images, mask)


def test_hidden_pixels_do_not_reach_the_latent():
    model = build()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    mask = RandomTokenMasking(0.75)(2, (4, 4))
    hidden = 1 - mask.visible_map((16, 16)).double()
    changed = x + hidden * torch.randn_like(x) * 100
    for ours, other in zip(
            model.encode(x, mask)[1] + [model.encode(x, mask)[0]],
            model.encode(changed, mask)[1] + [model.encode(changed, mask)[0]]):
        assert torch.equal(ours, other)
    # the ablation without masked convolution does leak
    model.masked_conv = False
    leak = model.encode(x, mask)[0] - model.encode(changed, mask)[0]
    assert leak.abs().max() > 1e-3


def test_input_token_masking_hides_cells_and_keeps_all_tokens():
    model = build()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    mask = RandomTokenMasking(0.75, scale=4)(2, (4, 4))
    tokens, cells = model.encode(x, mask)
    assert tokens.shape == (2, 16, 128)
    assert [c.shape for c in cells] == [(2, 16, 16, 32), (2, 16, 4, 64)]
    hidden = 1 - mask.visible_map((4, 4)).double()
    changed = x + hidden * torch.randn_like(x) * 100
    assert torch.equal(tokens, model.encode(changed, mask)[0])


def test_almost_nothing_masked_approaches_forward():
    """With every token visible, encode is forward, token by token."""
    model = build()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    everything = TokenMask(torch.arange(16)[None], (4, 4))
    tokens, _ = model.encode(x, everything)
    dense = model(x)[-1].flatten(2).transpose(1, 2)
    assert (tokens - dense).abs().max() < 1e-10


def test_mask_on_a_foreign_grid():
    mask = RandomTokenMasking(0.5)(1, (5, 5))
    with pytest.raises(ValueError, match=r'mask is on a \(5, 5\) grid'):
        build().encode(torch.zeros(1, 3, 64, 64, dtype=torch.float64), mask)


@pytest.mark.parametrize('shape', [(1, 3, 64, 60), (1, 3, 8, 64)])
def test_image_sides_that_are_no_multiple_of_16(shape):
    with pytest.raises(ValueError, match='multiple of 16x16'):
        build()(torch.zeros(shape, dtype=torch.float64))
    with pytest.raises(ValueError, match='img_size is 100x100'):
        build(img_size=100)


def test_unknown_arch_names_the_nearest():
    with pytest.raises(ValueError, match="'bse'; did you mean 'base'"):
        build(arch='bse')
    with pytest.raises(ValueError, match="lacks.*'num_heads'"):
        build(arch=dict(channels=(8, 16, 32), depths=(1, 1, 1),
                        mlp_ratios=(4, 4, 4)))  # yapf: disable


def test_layer_depths_are_monotone_and_reach_both_ends():
    model = build()
    depths = [model.get_layer_depth(f'backbone.{name}', 'backbone.')[0]
              for name, _ in model.named_parameters()]  # yapf: disable
    assert min(depths) == 0 and max(depths) == 4
    assert model.get_layer_depth('head.fc.weight', 'backbone.') == (5, 6)
    names = [name for name, _ in model.named_parameters()
             if name.startswith('stages')]  # yapf: disable
    stage_depths = [model.get_layer_depth(name)[0] for name in names]
    assert stage_depths == sorted(stage_depths)


def test_frozen_stages_neither_train_nor_drop():
    model = build(frozen_stages=3, drop_path_rate=.5).train()
    assert not any(param.requires_grad for param in model.parameters())
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    assert torch.equal(model(x)[0], model(x)[0])
