"""Conversion of official checkpoints: complete, strict, and back."""
import pytest
import torch
from golden import Fixture
from mimdet_models import build_detector, build_mae

from projects.common.conversion import find_kind
from projects.common.rel_pos import TABLE
from projects.mimdet.convert import (INDEX, RULES, convert, recognise,
                                     relative_position_index)

MASK_TOKEN = 'backbone.bottom_up.decoder.mask_token'
MAE_BASE = dict(
    embed_dim=768,
    depth=12,
    num_heads=12,
    img_size=224,
    patch_size=16,
    mask_ratio=.75,
    decoder_embed_dim=512,
    decoder_depth=8,
    decoder_num_heads=16,
    norm_pix_loss=True)
MAE_LARGE = dict(MAE_BASE, embed_dim=1024, depth=24, num_heads=16)


def official(listing, index=True):
    """Tensors of a full checkpoint, in little memory.

    Values tell tensors apart. Indices of relative positions are real, or
    left out.
    """
    tensors = {
        key: torch.full((), float(number)).expand(shape)
        for number, (
            key, shape) in enumerate(Fixture(listing).info['keys'].items())
        if index or not key.endswith(INDEX)
    }
    for key in tensors:
        if key.endswith(INDEX):
            table = tensors[key.replace(INDEX, TABLE)]
            tensors[key] = relative_position_index(len(table))
    return tensors


def mimdet(arch, channels):
    return build_detector(dict(type='MIMDetViT', arch=arch), channels)


CASES = {
    'mae_base_full': ('mae', lambda: build_mae(MAE_BASE), 111_907_840),
    'mae_large_full': ('mae', lambda: build_mae(MAE_LARGE), 329_541_888),
    'mimdet_base_detector':
    ('mimdet', lambda: mimdet('base', [192, 384, 512, 512]), 127_954_768),
    'mimdet_large_detector':
    ('mimdet', lambda: mimdet('large', [256, 512, 512, 512]), 349_332_080),
    'benchmarking_vit_base_detector':
    ('benchmarking-vit',
     lambda: build_detector(dict(type='BenchmarkingViT'), [768] * 4),
     118_674_184),
}


@pytest.mark.parametrize('name', CASES)
def test_every_key_is_used_every_target_filled_and_back(name):
    kind, build, num_params = CASES[name]
    source = official(f'keys_{name}')
    assert recognise(source) == kind
    assert find_kind(source, None)[1] == kind
    ours = convert(source)
    with torch.device('meta'):
        model = build()
    targets = {key: value.shape for key, value in model.state_dict().items()}
    assert {key: value.shape for key, value in ours.items()} == targets
    assert sum(p.numel() for p in model.parameters()) == num_params
    info = Fixture(f'keys_{name}').info
    assert num_params == info['param_count_all']
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == info['param_count_trainable']
    back = convert(ours, kind, backward=True)
    assert back.keys() == source.keys()
    for key, value in source.items():
        assert back[key] is value or torch.equal(back[key], value), key


LISTINGS = {
    'mae': 'keys_mae_base_full',
    'mimdet': 'keys_mimdet_base_detector',
    'benchmarking-vit': 'keys_benchmarking_vit_base_detector'
}


@pytest.mark.parametrize('kind', LISTINGS)
def test_no_row_of_the_tables_is_idle(kind):
    """Without any one row the conversion of a full file fails."""
    source, rules = official(LISTINGS[kind], index=False), RULES[kind]
    if kind == 'mimdet':  # of the first releases
        source[MASK_TOKEN] = torch.zeros(1, 1, 512)
    for row in range(len(rules)):
        removed = rules.pop(row)
        try:
            with pytest.raises(
                    ValueError, match='not in the conversion table'):
                convert(source, kind)
        finally:
            rules.insert(row, removed)


def test_index_of_relative_positions():
    """By its definition: rows down, then columns right, query minus key."""
    index = relative_position_index(7 * 7)
    assert index.shape == (16, 16)
    query, key = 4 * 3 + 1, 4 * 1 + 2  # (3, 1) and (1, 2)
    assert index[query, key] == (2 + 3) * 7 + (-1 + 3)
    assert index.diagonal().unique().tolist() == [3 * 7 + 3]
    shapes = Fixture('keys_benchmarking_vit_base_detector').info['keys']
    for name, shape in shapes.items():
        if name.endswith(INDEX):
            rows = shapes[name.replace(INDEX, TABLE)][0]
            assert list(relative_position_index(rows).shape) == shape


def test_released_mask_token_model():
    """The first releases fill with mask tokens instead of stem features."""
    source = official('keys_mimdet_base_detector')
    for name in ('weight', 'bias'):
        del source[f'backbone.bottom_up.decoder.conv_feat_proj.{name}']
    source[MASK_TOKEN] = torch.zeros(1, 1, 512)
    with torch.device('meta'):
        model = build_detector(
            dict(type='MIMDetViT', decoder=dict(fill='mask_token')),
            [192, 384, 512, 512])
    assert convert(source).keys() == model.state_dict().keys()
    assert sum(p.numel() for p in model.parameters()) == 127_561_552


def test_encoder_only_mae():
    source = {
        key: value
        for key, value in official('keys_mae_base_full').items()
        if 'decoder' not in key and key != 'mask_token'
    }
    ours = convert(source)
    assert len(ours) == len(source)
    assert all(key.startswith('backbone.') for key in ours)


def test_foreign_files_are_named():
    with pytest.raises(ValueError, match='neither an MAE'):
        convert({'layer1.0.conv1.weight': torch.zeros(1)})
    with pytest.raises(ValueError, match='kind is None'):
        convert({}, backward=True)
