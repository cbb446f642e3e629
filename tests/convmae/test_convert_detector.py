"""Conversion of the official detectors: complete, strict, and back."""
import pytest
import torch
from detectors import FPN, SFP, build, leaf
from golden import Fixture

from projects.convmae.convert import RULES, convert, recognise

INDEX = 'relative_position_index'  # rebuilt, 134 MB in the released file


def fpn_shapes():
    """Names and shapes of the released file, without what is rebuilt."""
    keys = Fixture('keys_convmae_det_base_detector').info['keys']
    return {key: shape for key, shape in keys.items()
            if not key.endswith(INDEX)}  # yapf: disable


def sfp_shapes():
    """Names and shapes of the official ViTDet-style detector.

    Its heads are those of the other one with another norm.
    """
    encoder = Fixture('keys_convvit_finetune_base').info['keys']
    shapes = {
        f'backbone.net.{key}': shape
        for key, shape in encoder.items()
        if not key.startswith(('fc_norm', 'head'))
    }
    for block in range(11):
        side = 64 if block in (1, 4, 7, 10) else 14
        for axis in 'hw':
            shapes[f'backbone.net.blocks3.{block}.attn.rel_pos_{axis}'] = [
                2 * side - 1, 64
            ]

    def conv(name, out, inputs, kernel):
        shapes[f'backbone.{name}.weight'] = [out, inputs, kernel, kernel]
        for part in ('weight', 'bias'):
            shapes[f'backbone.{name}.norm.{part}'] = [out]

    for level, number, width in ((2, 4, 192), (3, 1, 384), (4, 0, 768), (5, 1,
                                                                         768)):
        conv(f'simfp_{level}.{number}', 256, width, 1)
        conv(f'simfp_{level}.{number + 1}', 256, 256, 3)
    for level in (2, 3):
        shapes[f'backbone.simfp_{level}.0.weight'] = [768, 384, 2, 2]
        shapes[f'backbone.simfp_{level}.0.bias'] = [384]
    shapes['backbone.simfp_2.1.weight'] = [384]
    shapes['backbone.simfp_2.1.bias'] = [384]
    shapes['backbone.simfp_2.3.weight'] = [384, 192, 2, 2]
    shapes['backbone.simfp_2.3.bias'] = [192]
    for key, shape in fpn_shapes().items():
        statistics = ('running_mean', 'running_var', 'num_batches_tracked')
        if not key.startswith('backbone.') and not key.endswith(statistics):
            shapes[key] = shape
    return shapes


KINDS = {
    'det-fpn': (fpn_shapes, FPN, 110_171_784, 107_026_056),
    'det-sfp': (sfp_shapes, SFP, 109_700_272, 109_700_272),
}


def tensors(shapes):
    """Different values everywhere, in little memory."""
    return {
        key: torch.full((), float(number)).expand(shape)
        for number, (key, shape) in enumerate(shapes.items())
    }


@pytest.mark.parametrize('kind', KINDS)
def test_every_key_is_used_every_target_filled_and_back(kind):
    make, config, total, trainable = KINDS[kind]
    source = tensors(make())
    assert recognise(source) == kind
    ours = convert(source)
    with torch.device('meta'):
        model = build(leaf(config).model)
    targets = {name: value.shape for name, value in model.state_dict().items()}
    assert {name: value.shape for name, value in ours.items()} == targets
    back = convert(ours, kind, backward=True)
    assert back.keys() == source.keys()
    assert all(torch.equal(back[key], source[key]) for key in source)
    counts = [
        sum(p.numel() for p in model.parameters()),
        sum(p.numel() for p in model.parameters() if p.requires_grad)
    ]
    assert counts == [total, trainable]


@pytest.mark.parametrize('kind', KINDS)
def test_no_row_of_the_table_is_idle(kind):
    """Without any one row the conversion of the full file fails."""
    rules, source = RULES[kind], tensors(KINDS[kind][0]())
    for row in range(len(rules)):
        removed = rules.pop(row)
        try:
            with pytest.raises(
                    ValueError, match='not in the conversion table'):
                convert(source, kind)
        finally:
            rules.insert(row, removed)


def test_what_is_rebuilt_is_left_out():
    source = tensors(fpn_shapes())
    name = f'backbone.bottom_up.windowed_rel_pos_bias.{INDEX}'
    assert convert({
        **source, name: torch.zeros(256, 256).long()
    }).keys() == convert(source).keys()


@pytest.mark.parametrize('kind', KINDS)
def test_foreign_names_are_refused(kind):
    source = tensors(KINDS[kind][0]())
    source['roi_heads.keypoint_head.conv1.weight'] = torch.zeros(1)
    with pytest.raises(ValueError, match='keypoint_head'):
        convert(source)
