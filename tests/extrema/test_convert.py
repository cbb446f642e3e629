"""Conversion of official checkpoints: complete, strict, and back."""
import re

import pytest
import torch
from extrema_models import siamese
from golden import Fixture, fan_in_weight
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from projects.common.conversion import find_kind
from projects.extrema.convert import RULES, convert, recognise

FULL = 'keys_extrema_vit_base_full'
CLASSIFIER = 'keys_extrema_finetune_vit_base'


def official(listing: str) -> dict[str, Tensor]:
    """Weights by name, with every layer's number drawn as small as it goes:
    shapes are the listing's, divided by 8 where they are that large."""
    shapes = Fixture(listing).info['keys']
    return {
        key: fan_in_weight(key, [side // 8 if side >= 256 else side
                                 for side in shape])
        for key, shape in shapes.items()
    }  # yapf: disable


ARCH = dict(channels=96, depth=12, num_heads=12)


def classifier() -> nn.Module:
    return MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(
                type='ClassAttentionViT', arch=ARCH, token_mode=None),
            neck=dict(type='TokenPooling', channels=96),
            head=dict(type='LinearClsHead', in_channels=96, num_classes=125)))


def probe() -> nn.Module:
    return MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(
                type='ClassAttentionViT', arch=ARCH, final_norm=False),
            neck=dict(type='ClsBatchNormNeck', input_features=96),
            head=dict(type='LinearClsHead', in_channels=96, num_classes=125)))


def probe_weights() -> dict[str, Tensor]:
    """What the official linear probe saves: no norm, no projector."""
    weights = {
        key.removeprefix('base_encoder.'): value
        for key, value in official(FULL).items()
        if re.match(r'base_encoder\.(?!norm|head)', key)
    }
    return weights | {
        'head.0.running_mean': torch.zeros(96),
        'head.0.running_var': torch.ones(96),
        'head.0.num_batches_tracked': torch.tensor(3),
        'head.1.weight': torch.randn(125, 96),
        'head.1.bias': torch.randn(125),
    }


CASES = {
    'extrema-pretrain':
    (lambda: official(FULL),
     lambda: siamese(ARCH, hid_channels=512, out_channels=32)),
    'extrema-finetune': (lambda: official(CLASSIFIER), classifier),
    'extrema-linear': (probe_weights, probe),
}


@pytest.mark.parametrize('kind', CASES)
def test_every_key_is_used_every_target_filled_and_back(kind: str) -> None:
    make, build = CASES[kind]
    source = make()
    if kind != 'extrema-linear':
        listing = FULL if kind == 'extrema-pretrain' else CLASSIFIER
        assert len(source) == Fixture(listing).info['tensor_count']
    assert find_kind(source, None)[1] == recognise(source) == kind
    ours = convert(source)
    build().load_state_dict(ours)
    back = convert(ours, kind, backward=True)
    assert back.keys() == source.keys()
    unused = {'cls_token'} if kind == 'extrema-finetune' else set()
    assert all(
        torch.equal(back[key], source[key]) for key in source.keys() - unused)
    for key in unused:
        assert back[key].shape == source[key].shape and not back[key].any()


def test_student_and_teacher_keep_apart() -> None:
    source = official(FULL)
    ours = convert(source)
    for name, branch in (('backbone', 'base_encoder'), ('target_net.module.0',
                                                        'momentum_encoder')):
        assert torch.equal(ours[f'{name}.class_layers.1.gamma2'],
                           source[f'{branch}.blocks_token.1.gamma_2'])
    assert ours['target_net.steps'] > 0


@pytest.mark.parametrize('row', range(len(RULES['extrema-pretrain'])))
def test_no_row_of_the_table_is_idle(row: int) -> None:
    """Without any one row the conversion of the full file fails."""
    rules = RULES['extrema-pretrain']
    removed = rules.pop(row)
    try:
        source = {key: torch.zeros(1) for key in Fixture(FULL).info['keys']}
        with pytest.raises(ValueError, match='not in the conversion table'):
            convert(source)
    finally:
        rules.insert(row, removed)


@pytest.mark.parametrize('missing, role', [('momentum_encoder', 'teacher'),
                                           ('base_encoder', 'student')])
def test_one_encoder_is_missing(missing: str, role: str) -> None:
    kept = {
        key: torch.zeros(1)
        for key in Fixture(FULL).info['keys'] if not key.startswith(missing)
    }
    for kind in (None, 'extrema-pretrain'):
        with pytest.raises(
                ValueError, match=f'its {role} .{missing}.*is missing'):
            convert(kept, kind)
    if role == 'teacher':
        ours = convert(kept, 'extrema-student')
        assert len(ours) == len(kept)
        assert not any('target_net' in name for name in ours)


def test_foreign_files_are_named() -> None:
    mae = {
        key: torch.zeros(shape)
        for key, shape in Fixture('keys_mae_base_full').info['keys'].items()
        if 'decoder' not in key
    }
    assert find_kind(mae, None)[1] == 'mae'
    with pytest.raises(ValueError, match='not an official ExtreMA'):
        convert(mae)
    # MAE's classifier has a position for its class token
    mae = official(CLASSIFIER)
    mae['pos_embed'] = torch.zeros(1, 197, 96)
    with pytest.raises(ValueError, match='no position for the token'):
        recognise(mae)
    with pytest.raises(ValueError, match='kind is None'):
        convert({}, backward=True)
