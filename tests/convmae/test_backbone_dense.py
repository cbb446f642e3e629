"""ConvViT for dense tasks: windows, relative positions, stride 32, sizes."""
import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import nn
from torch._subclasses import FakeTensorMode

from projects.benchmark.memory import held_for_backward
from projects.benchmark.original import switch
from projects.common import biased_attention
from projects.common.blocks import TransformerBlock
from projects.common.masking import RandomTokenMasking
from projects.common.rel_pos import SharedTable
from projects.common.windows import Windows
from projects.convmae import ConvViT

ARCH = dict(
    channels=(8, 12, 16), depths=(1, 1, 4), mlp_ratios=(2, 2, 2), num_heads=2)
# The recipes at a small scale. Windows of 3 fill up an 8 x 8 grid.
FPN = dict(
    window_size=3,
    global_blocks=(0, 3),
    rel_pos='shared',
    pos_trainable=False,
    out_indices=(0, 1, 2, 3))
SFP = dict(
    window_size=3,
    global_blocks=(1, 3),
    rel_pos='decomposed',
    rel_pos_size=128,
    conv_eps=1e-6)
SEG = dict(
    rel_pos='per_block',
    layer_scale=1.,
    attn_eps=1e-5,
    down4='conv',
    out_indices=(0, 1, 2, 3))
PAPER = dict(FPN, shift_windows=True)
RECIPES = dict(fpn=FPN, sfp=SFP, seg=SEG, paper=PAPER)


def build(recipe, **settings):
    model = ConvViT(ARCH, **{'img_size': 64, **RECIPES[recipe], **settings})
    model.init_weights()
    return model


def randomise(model):
    """Relative positions and layer scales as after some training."""
    for name, param in model.named_parameters():
        if 'rel_pos' in name or 'bias_table' in name or 'gamma' in name:
            nn.init.normal_(param, 1. if 'gamma' in name else 0., 0.3)
    return model


@pytest.mark.parametrize('recipe', RECIPES)
@pytest.mark.parametrize('size', [(64, 64), (48, 112), (160, 80)])
def test_any_size_forward_and_backward(recipe, size):
    """Every trainable parameter gets a gradient, relative ones included."""
    model = build(recipe, drop_path_rate=0.).train()
    maps = model(torch.randn(2, 3, *size))
    height, width = size[0] // 16, size[1] // 16
    expected = {2: (16, height, width)}
    if recipe != 'sfp':
        down = (1, 1) if recipe == 'seg' else (0, 0)
        expected |= {
            0: (8, height * 4, width * 4),
            1: (12, height * 2, width * 2),
            3: (16, (height - down[0]) // 2, (width - down[1]) // 2)
        }
    assert [tuple(x.shape) for x in maps] == [(2, *expected[index])
                                              for index in model.out_indices]
    sum(x.square().sum() for x in maps).backward()
    for name, param in model.named_parameters():
        if param.requires_grad:
            assert param.grad is not None and param.grad.any(), name
    assert model.pos_embed.requires_grad == ('fpn' != recipe != 'paper')


def test_side_that_no_token_fits_is_refused():
    with pytest.raises(ValueError, match='100x64 pixels.*multiple of 16x16'):
        build('fpn')(torch.randn(1, 3, 100, 64))


@pytest.mark.parametrize('recipe', RECIPES)
def test_loading_another_size_equals_resampling_at_run_time(recipe):
    """A checkpoint fits any stored size, and means the same there."""
    small = randomise(build(recipe)).eval()
    large = build(recipe, img_size=(96, 128), rel_pos_size=(96, 128)).eval()
    large.load_state_dict(small.state_dict())
    assert large.pos_embed.shape[1] == 48
    image = torch.randn(1, 3, 96, 128)
    for mine, theirs in zip(large(image), small(image), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_checkpoints_hold_no_index():
    for recipe in RECIPES:
        assert not any('index' in name for name in build(recipe).state_dict())


def test_shared_tables_are_expanded_once():
    model = build('fpn')
    calls = []
    for name, module in model.named_modules():
        if isinstance(module, SharedTable):
            module.register_forward_hook(
                lambda *_, name=name: calls.append(name))
    model(torch.randn(1, 3, 64, 64))
    assert sorted(calls) == ['global_rel_pos', 'window_rel_pos']


def test_tables_exist_for_the_kinds_of_blocks_there_are():
    everywhere = build('fpn', global_blocks=(), out_indices=(2, ))
    assert not hasattr(everywhere, 'global_rel_pos')
    nowhere = build('fpn', global_blocks=(0, 1, 2, 3), out_indices=(2, ))
    assert not hasattr(nowhere, 'window_rel_pos')
    assert nowhere.global_rel_pos.relative_position_bias_table.shape == (49, 2)


# --- memory ---


@pytest.mark.parametrize('recipe', RECIPES)
def test_recomputation_changes_nothing(recipe):
    """Outputs and gradients, dropped paths included, in float64."""
    found = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        model = build(recipe, with_cp=with_cp, drop_path_rate=0.3)
        model = randomise(model).double().train()
        image = torch.randn(4, 3, 48, 80, dtype=torch.float64)
        image.requires_grad_()
        maps = model(image)
        sum(x.square().sum() for x in maps).backward()
        gradients = [p.grad for p in model.parameters() if p.requires_grad]
        found.append([*maps, image.grad, *gradients])
    for plain, saving in zip(*found, strict=True):
        torch.testing.assert_close(saving, plain, rtol=1e-10, atol=1e-10)


def test_recomputation_works_in_bfloat16_and_under_no_grad():
    model = randomise(build('fpn', with_cp=True)).train()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        maps = model(torch.randn(2, 3, 64, 64))
    sum(x.float().square().sum() for x in maps).backward()
    for name, param in model.named_parameters():
        assert not param.requires_grad or param.grad.isfinite().all(), name
    with torch.no_grad():
        assert not model(torch.randn(1, 3, 64, 64))[-1].requires_grad


def held_mib(settings, size, *switches):
    """MiB that a backbone holds for backward; fake tensors, no values."""
    with FakeTensorMode():
        model = ConvViT(**settings).train()
        for name in switches:
            switch(model, name)
        image = torch.empty(1, 3, size, size)
        state = [*model.parameters(), *model.buffers()]
        held, _ = held_for_backward(lambda: model(image), state)
    return held / 2**20


# MiB of what softmax alone holds: 12 heads, 4 global blocks of 4096 tokens
# and 7 of 16 windows of 256, or 25 of 196; 11 of 1024 tokens.
SOFTMAX = 12 * 4 / 2**20


@pytest.mark.parametrize('recipe, size, softmax, limit', [
    ('detection/mask-rcnn_convmae-base_fpn_8xb4-amp-lsj-25e_coco', 1024,
     SOFTMAX * (4 * 4096**2 + 7 * 16 * 256**2), 0.25),
    ('detection/mask-rcnn_convmae-base_sfp_8xb2-amp-lsj-25e_coco', 1024,
     SOFTMAX * (4 * 4096**2 + 7 * 25 * 196**2), 0.27),
    ('segmentation/convmae-base_upernet_8xb2-amp-160k_ade20k-512x512', 512,
     SOFTMAX * 11 * 1024**2, 0.34),
])
def test_memory_of_base_is_below_that_of_explicit_softmax(
        recipe, size, softmax, limit, monkeypatch):
    """Also where explicit softmax recomputes the same as we do; far below
    the official form, which recomputes nothing."""
    monkeypatch.setitem(biased_attention.CHUNK_SCORES, 'cpu', 2**40)
    cfg = Config.fromfile(f'configs/convmae/{recipe}.py').model.backbone
    settings = {
        key: value
        for key, value in cfg.items()
        if key not in ('type', 'init_cfg', '_delete_')
    }
    ours = held_mib(settings, size)
    explicit = held_mib(settings, size, 'explicit-attention')
    official = held_mib(settings, size, 'original')
    assert softmax < explicit - ours + 1
    assert ours < limit * explicit
    assert ours < 0.17 * official
    plain = dict(settings, with_cp=False)
    assert ours < 0.2 * held_mib(plain, size, 'explicit-attention')


# --- windows ---


def block_and_tokens(length):
    block = TransformerBlock(16, 2).double()
    return block, torch.randn(2, length, 16, dtype=torch.float64)


def test_windows_keep_apart():
    block, x = block_and_tokens(36)
    windows = Windows((6, 6), (3, 3))
    changed = x.clone()
    changed[:, 0, 0] += 1
    moved = (block(changed, windows) - block(x, windows)).abs().sum(-1)
    moved = moved.view(2, 6, 6) > 0
    assert moved[:, :3, :3].all()
    assert moved.sum() == 2 * 9


def test_filling_takes_part_as_zeros_after_the_norm():
    """As in ViTDet: keys and values of filling are the projection's bias."""
    block, x = block_and_tokens(8)
    out = block.attn(F.pad(block.ln1(x), (0, 0, 0, 8)).view(2, 16, 16))
    expected = x + out[:, :8]
    expected = expected + block.ffn(block.ln2(expected))
    # two rows of four in a window of four rows
    assert torch.allclose(block(x, Windows((2, 4), (4, 4))), expected)


@pytest.mark.parametrize('shift', [1, 2])
def test_shifting_equals_swins_cyclic_shift_with_mask(shift):
    """arXiv:2103.14030, section 3.2."""
    side, size = 8, 4
    block, x = block_and_tokens(side * side)
    table = SharedTable((size, size), 2).double()
    nn.init.normal_(table.relative_position_bias_table)
    ours = block(x, Windows((side, side), (size, size), shift),
                 table((size, size)))

    regions = torch.bucketize(
        torch.arange(side),
        torch.tensor([side - size, side - shift]),
        right=True)
    regions = regions[:, None] * 3 + regions
    plain = Windows((side, side), (size, size))
    regions = plain.split(regions.view(1, -1, 1).double())[..., 0]
    apart = regions[:, :, None] != regions[:, None]
    apart = apart.repeat(2, 1, 1)[:, None]

    h = block.ln1(x).unflatten(1, (side, side))
    h = plain.split(h.roll((-shift, -shift), (1, 2)).flatten(1, 2))
    q, k, v = block.attn.qkv(h).view(8, 16, 3, 2, 8).permute(2, 0, 3, 1, 4)
    rows, columns = (
        axis.flatten() for axis in torch.meshgrid(
            torch.arange(size), torch.arange(size), indexing='ij'))
    index = ((rows[:, None] - rows + size - 1) * (2 * size - 1) +
             columns[:, None] - columns + size - 1)
    bias = table.relative_position_bias_table[index].permute(2, 0, 1)
    scores = q @ k.mT / math.sqrt(8) + bias
    h = scores.masked_fill(apart, -math.inf).softmax(-1) @ v
    h = block.attn.proj(h.transpose(1, 2).flatten(2))
    h = plain.merge(h).unflatten(1, (side, side))
    x = x + h.roll((shift, shift), (1, 2)).flatten(1, 2)
    expected = x + block.ffn(block.ln2(x))
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10)


def test_every_other_windowed_block_is_shifted():
    """The paper's layout: blocks 1, 4, 7, 11 global, counted from 1."""
    arch = dict(ARCH, depths=(1, 1, 11))
    model = ConvViT(
        arch, window_size=7, global_blocks=(0, 3, 6, 10), shift_windows=True)
    assert model.windowed == [1, 2, 4, 5, 7, 8, 9]
    assert model.shifted == [2, 5, 8]


# --- layer scale and the map of stride 32 ---


def test_layer_scale_of_one_changes_nothing_and_of_zero_everything():
    plain, scaled = build('seg', layer_scale=None), build('seg')
    scaled.load_state_dict(plain.state_dict(), strict=False)
    image = torch.randn(1, 3, 64, 64)
    for mine, theirs in zip(scaled.eval()(image), plain.eval()(image)):
        assert torch.equal(mine, theirs)
    for block in scaled.stages[-1].blocks:
        nn.init.zeros_(block.gamma1)
        nn.init.zeros_(block.gamma2)
        x = torch.randn(2, 16, 16)
        assert torch.equal(block(x, Windows((4, 4), (4, 4))), x)


@pytest.mark.parametrize('norm', ['BN', 'SyncBN'])
def test_strided_convolution_has_no_padding(norm):
    model = build('seg', norm_cfg=dict(type=norm), img_size=512)
    assert model.down4.conv.bias is not None
    assert model.down4.bn.eps == 1e-5
    for train in (False, True):
        with torch.no_grad():
            maps = model.train(train)(torch.randn(1, 3, 512, 512))
        assert maps[3].shape == (1, 16, 15, 15)


def test_stride_32_is_made_only_when_asked_for():
    assert not hasattr(build('seg', out_indices=(2, )), 'down4')


# --- layers, freezing, errors ---


def test_layer_depths():

    def depths(recipe):
        model = build(recipe)
        last = ARCH['depths'][-1] + 1
        found = {}
        for name, _ in model.named_parameters():
            depth, count = model.get_layer_depth(f'backbone.{name}',
                                                 'backbone.')
            assert count == last + 1
            found[name] = depth
        assert model.get_layer_depth('neck.x', 'backbone.') == (last, last + 1)
        return found

    seg = depths('seg')
    assert seg['pos_embed'] == seg['stages.1.blocks.0.ln1.weight'] == 0
    assert seg['stages.2.blocks.3.gamma2'] == 4
    assert seg['stages.2.blocks.3.attn.relative_position_bias_table'] == 4
    assert seg['down4.conv.weight'] == seg['down4.bn.bias'] == 5
    sfp = depths('sfp')
    assert sfp['stages.2.blocks.0.attn.rel_pos_h'] == 1
    fpn = depths('fpn')
    for kind in ('window', 'global'):
        assert fpn[f'{kind}_rel_pos.relative_position_bias_table'] == 5


@pytest.mark.parametrize('recipe', RECIPES)
def test_frozen_backbone_does_not_change(recipe):
    model = build(recipe, frozen_stages=3).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model(torch.randn(2, 3, 64, 64))
    assert not any(param.requires_grad for param in model.parameters())
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize('settings, message', [
    (dict(rel_pos='table'), "rel_pos is 'table'; choose from .*'shared'"),
    (dict(window_size=3, global_blocks=(1, 4)),
     r'global_blocks names \[4\]; stage 3 has the blocks 0 to 3'),
    (dict(global_blocks=(1, )), 'need a window_size'),
    (dict(shift_windows=True), 'need a window_size'),
    (dict(window_size=-7), 'window_size is -7'),
    (dict(rel_pos='shared', rel_pos_size=100), 'rel_pos_size is 100x100'),
    (dict(down4='avgpool', out_indices=(3, )), "down4 is 'avgpool'; choose"),
])
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ConvViT(ARCH, **settings)


@pytest.mark.parametrize(
    'settings',
    [dict(window_size=3),
     dict(rel_pos='shared'),
     dict(rel_pos='decomposed')])
def test_masked_encoding_is_refused(settings):
    model = ConvViT(ARCH, img_size=64, **settings)
    mask = RandomTokenMasking(0.75)(1, (4, 4))
    with pytest.raises(ValueError, match='leave window_size and rel_pos out'):
        model.encode(torch.randn(1, 3, 64, 64), mask)
