"""ClassAttentionViT: sizes, masks, tokens, gradients, depths."""
import pytest
import torch
from mmpretrain.registry import MODELS
from torch import nn

import projects.extrema  # noqa: F401
from projects.common.masking import DisjointTokenMasking, TokenMask

MODES = ['cait', 'vit', 'avg', None]


def build(**kwargs) -> nn.Module:
    return MODELS.build(
        dict(
            type='ClassAttentionViT',
            **{
                'arch': 'tiny',
                'img_size': 64,
                **kwargs
            }))


@pytest.mark.parametrize('arch, layers, count', [('small', 2, 25_215_744),
                                                 ('base', 2, 99_976_704),
                                                 ('large', 2, 328_497_152)])
def test_official_sizes(arch: str, layers: int, count: int) -> None:
    with torch.device('meta'):
        model = build(arch=arch, num_class_layers=layers, img_size=224)
    assert sum(p.numel() for p in model.parameters()) == count


@pytest.mark.parametrize('layers', [1, 2, 3])
def test_number_of_class_layers(layers: int) -> None:
    model = build(num_class_layers=layers)
    assert len(model.class_layers) == layers
    assert model(torch.randn(2, 3, 64, 64))[0].shape == (2, 64)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('height, width, patch', [(64, 64, 16), (48, 80, 16),
                                                  (40, 24, 8)])
def test_any_size_that_patches_divide(mode: str | None, height: int,
                                      width: int, patch: int) -> None:
    model = build(token_mode=mode, patch_size=patch)
    x = torch.randn(2, 3, height, width)
    grid = height // patch, width // patch
    mask = DisjointTokenMasking(0.6, 2)(2, grid)
    kept = mask.keep_BK.shape[1]
    out, = model(x)
    if mode is None:
        assert out.shape == (2, 64, *grid)
    else:
        assert out.shape == (2, 64)
        assert model.instance_token(x, mask).shape == (4, 64)
    assert model.encode(x, mask).shape == (4, kept, 64)


def test_sizes_that_patches_do_not_divide() -> None:
    with pytest.raises(ValueError, match='img_size is 60x60 pixels.*16x16'):
        build(img_size=60)
    with pytest.raises(ValueError, match='input image is 64x72 pixels'):
        build()(torch.randn(1, 3, 64, 72))


def test_loading_another_size_equals_resampling_at_run_time() -> None:
    small, large = build(img_size=64), build(img_size=96)
    large.load_state_dict(small.state_dict())
    x = torch.randn(1, 3, 96, 96)
    torch.testing.assert_close(small(x)[0], large(x)[0])


@pytest.mark.parametrize('mode', MODES[:3])
def test_a_mask_that_shows_everything_changes_nothing(mode: str) -> None:
    """Tokens know their places, so their order is of no importance."""
    model = build(token_mode=mode).double()
    model.init_weights()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    order = torch.stack([torch.randperm(16) for _ in range(2)])
    mask = TokenMask(order, (4, 4))
    torch.testing.assert_close(model.instance_token(x, mask), model(x)[0])


def test_masks_of_an_image_do_not_see_each_other() -> None:
    """Batched subsets equal subsets encoded one by one."""
    model = build().double()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    mask = DisjointTokenMasking(0.8, 5)(2, (4, 4))
    together = model.instance_token(x, mask)
    for row, keep in enumerate(mask.keep_BK):
        alone = model.instance_token(x[row % 2, None],
                                     TokenMask(keep[None], (4, 4)))
        torch.testing.assert_close(together[row], alone[0])


def test_hidden_pixels_are_not_seen() -> None:
    model = build()
    mask = DisjointTokenMasking(0.8, 1)(1, (4, 4))
    x = torch.randn(1, 3, 64, 64)
    hidden = 1 - mask.visible_map((16, 16))
    torch.testing.assert_close(
        model.instance_token(x, mask),
        model.instance_token(x + hidden * torch.randn_like(x), mask))


@pytest.mark.parametrize('mode', MODES)
def test_every_parameter_learns(mode: str | None) -> None:
    """So distributed training need not search for unused ones."""
    model = build(token_mode=mode, pos_trainable=True, with_cp=True)
    model.init_weights()
    out = model(torch.randn(2, 3, 64, 64))[0]
    (out * torch.randn_like(out)).sum().backward()
    idle = [
        name for name, p in model.named_parameters()
        if p.grad is None or not p.grad.any()
    ]
    assert idle == []


def test_checkpointing_changes_no_number() -> None:
    model = build(token_mode=None, out_indices=(0, 1, 2, 3))
    x = torch.randn(1, 3, 32, 64)
    grads = []
    for with_cp in (False, True):
        model.with_cp = with_cp
        model.zero_grad()
        maps = model(x)
        assert [m.shape for m in maps] == [(1, 64, 2, 4)] * 4
        sum(m.square().sum() for m in maps).backward()
        grads.append(model.patch_embed.weight.grad.clone())
    assert torch.equal(*grads)


def test_maps_come_in_the_order_asked_for() -> None:
    model = build(token_mode=None, out_indices=(-1, 1))
    last, second = model(torch.randn(1, 3, 64, 64))
    model.out_indices = [1, 3]
    torch.manual_seed(0)
    assert last.shape == second.shape
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(
        model(x)[1].flatten(2).transpose(1, 2), model.encode(x))


def test_depths() -> None:
    """Embeddings, one for each block, everything else last."""
    model = build()
    depths = {
        name: model.get_layer_depth(f'backbone.{name}', 'backbone.')
        for name, _ in model.named_parameters()
    }
    assert {count for _, count in depths.values()} == {6}
    for name in ('cls_token', 'pos_embed', 'patch_embed.weight'):
        assert depths[name][0] == 0
    for block in range(4):
        assert depths[f'blocks.{block}.attn.qkv.weight'][0] == block + 1
    for name in ('class_layers.0.gamma1', 'norm.weight'):
        assert depths[name][0] == 5
    assert model.get_layer_depth('neck.fc_norm.weight', 'backbone.') == (5, 6)


def test_frozen() -> None:
    whole = build(frozen_stages=4, drop_path_rate=0.5)
    assert whole.train() is whole
    assert not any(p.requires_grad for p in whole.parameters())
    assert not any(m.training for m in whole.modules())
    half = build(frozen_stages=2, pos_trainable=True).train()
    assert not half.pos_embed.requires_grad
    assert [b.training for b in half.blocks] == [False, False, True, True]
    assert half.class_layers[0].gamma1.requires_grad


@pytest.mark.parametrize('wrong, message', [
    (dict(arch='bse'), "unknown arch 'bse'; did you mean 'base'"),
    (dict(arch=dict(depth=1)), 'arch lacks'),
    (dict(token_mode='mean'), "token_mode is 'mean'; choose from"),
    (dict(num_class_layers=0), 'the token never sees the image'),
    (dict(out_indices=(4, )), 'there are the blocks 0 to 3'),
    (dict(frozen_stages=5), 'frozen_stages is 5; there are 4 blocks'),
])
def test_bad_settings(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**wrong)


def test_bad_requests() -> None:
    x = torch.randn(1, 3, 64, 64)
    mask = DisjointTokenMasking(0.8, 1)(1, (4, 5))
    with pytest.raises(ValueError, match=r'mask is on a \(4, 5\) grid'):
        build().encode(x, mask)
    with pytest.raises(ValueError, match='has no instance token'):
        build(token_mode=None).instance_token(x)
