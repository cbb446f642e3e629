"""Conversion of official checkpoints: complete, strict, and back."""
import pytest
import torch
from golden import Fixture, fan_in_weight
from models import build_classifier, build_pretrain

from projects.convmae.convert import RULES, convert, recognise


def official(listing):
    shapes = Fixture(listing).info['keys']
    return {key: fan_in_weight(key, shape) for key, shape in shapes.items()}


def linear_probe():
    weights = official('keys_convvit_finetune_base')
    head = {key: weights.pop(f'head.{key}') for key in ('weight', 'bias')}
    weights.update({f'head.1.{key}': value for key, value in head.items()})
    weights['head.0.running_mean'] = torch.zeros(768)
    weights['head.0.running_var'] = torch.ones(768)
    weights['head.0.num_batches_tracked'] = torch.tensor(3)
    return weights


CASES = {
    'pretrain':
    (lambda: official('keys_convmae_pretrain_base'), build_pretrain),
    'finetune':
    (lambda: official('keys_convvit_finetune_base'), build_classifier),
}


@pytest.mark.parametrize('kind', CASES)
def test_every_key_is_used_every_target_filled_and_back(kind):
    make, build = CASES[kind]
    source = make()
    assert recognise(source) == kind
    ours = convert(source)
    model = build()
    targets = {name: value.shape for name, value in model.state_dict().items()}
    assert {name: value.shape for name, value in ours.items()} == targets
    back = convert(ours, kind, backward=True)
    assert back.keys() == source.keys()
    assert all(torch.equal(back[key], source[key]) for key in source)


def test_linear_probe_checkpoint():
    source = linear_probe()
    assert recognise(source) == 'linear'
    ours = convert(source)
    assert ours['neck.bn.running_var'].shape == (768, )
    assert ours['head.fc.weight'].shape == (1000, 768)
    back = convert(ours, 'linear', backward=True)
    assert back.keys() == source.keys()


@pytest.mark.parametrize('row', range(len(RULES['pretrain'])))
def test_no_row_of_the_table_is_idle(row):
    """Without any one row the conversion of the full file fails."""
    rules = RULES['pretrain']
    removed = rules.pop(row)
    try:
        shapes = Fixture('keys_convmae_pretrain_base').info['keys']
        source = {key: torch.zeros(shape, device='meta')
                  for key, shape in shapes.items()}  # yapf: disable
        with pytest.raises(ValueError, match='not in the conversion table'):
            convert(source)
    finally:
        rules.insert(row, removed)


def test_released_file_without_decoder_converts():
    """The released pretraining file was filtered for transfer."""
    source = official('keys_convmae_pretrain_base')
    kept = {key: value for key, value in source.items()
            if 'decode' not in key and key != 'mask_token'}  # yapf: disable
    ours = convert(kept)
    assert len(ours) == len(kept)
    assert all(name.startswith(('backbone.', 'neck.norm.')) for name in ours)


def test_foreign_files_are_named():
    with pytest.raises(ValueError, match='MR-MCMAE'):
        convert({'cls_token': torch.zeros(1)})
    with pytest.raises(ValueError, match='not an official ConvMAE'):
        convert({'blocks.0.norm1.weight': torch.zeros(1)})
    with pytest.raises(ValueError, match='kind is None'):
        convert({}, backward=True)
