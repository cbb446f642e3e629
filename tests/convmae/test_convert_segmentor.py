"""Conversion of the official segmentor: complete, strict, and back."""
from pathlib import Path

import pytest
import torch
from golden import Fixture
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from projects.convmae.convert import RULES, convert, recognise

CONFIG = Path(__file__).parents[2] / (
    'configs/convmae/segmentation/'
    'convmae-base_upernet_8xb2-amp-160k_ade20k-512x512.py')
INDEX = 'relative_position_index'  # rebuilt


def official():
    """The released file: different values everywhere, in little memory."""
    shapes = Fixture('keys_convmae_upernet_base').info['keys']
    return {
        key: torch.full((), float(number)).expand(shape)
        for number, (key, shape) in enumerate(shapes.items())
    }


def test_every_key_is_used_every_target_filled_and_back():
    source = official()
    assert recognise(source) == 'seg'
    ours = convert(source)
    with torch.device('meta'), DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config.fromfile(CONFIG).model)
    targets = {name: value.shape for name, value in model.state_dict().items()}
    assert {name: value.shape for name, value in ours.items()} == targets
    back = convert(ours, 'seg', backward=True)
    kept = {key for key in source if not key.endswith(INDEX)}
    assert back.keys() == kept and len(source) == len(kept) + 11
    assert all(torch.equal(back[key], source[key]) for key in kept)


@pytest.mark.parametrize('row', range(len(RULES['seg'])))
def test_no_row_of_the_table_is_idle(row):
    """Without any one row the conversion of the full file fails."""
    rules = RULES['seg']
    removed = rules.pop(row)
    try:
        with pytest.raises(ValueError, match='not in the conversion table'):
            convert(official(), 'seg')
    finally:
        rules.insert(row, removed)


def test_foreign_names_are_refused():
    source = {**official(), 'neck.convs.0.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match='neck.convs.0.weight'):
        convert(source)
