"""Parameter groups of the recipes against the official ones."""
import pytest
import torch
from golden import Fixture
from mimdet_models import NARROW, TINY_CHANNELS, build_detector, tiny
from mmengine.optim import build_optim_wrapper
from torch import nn

from projects.mimdet.convert import INDEX, convert

OPTIMIZER = dict(type='AdamW', lr=8e-5, weight_decay=0.1)


def groups_of(model, **kwargs):
    wrapper = build_optim_wrapper(
        model, dict(type='OptimWrapper', optimizer=OPTIMIZER, **kwargs))
    return wrapper.optimizer.param_groups


def mimdet_groups(model, multiplier=2.):
    return groups_of(
        model,
        constructor='MIMDetLearningRates',
        paramwise_cfg=dict(multiplier=multiplier))


def check(model, groups, fixture, kind):
    """Every official parameter has the official rate and decay."""
    info = fixture.info
    of = {id(param): (group['lr'], group['weight_decay'])
          for group in groups for param in group['params']}  # yapf: disable
    ours = {name: of[id(param)] for name, param in model.named_parameters()
            if param.requires_grad}  # yapf: disable
    official = convert(
        {
            name: torch.tensor(value)
            for name, value in ours.items()
        },
        kind,
        backward=True)
    official = {name: value for name, value in official.items()
                if not name.endswith(INDEX)}  # yapf: disable
    assert official.keys() == info['parameters'].keys()
    for name, value in official.items():
        expected = info['parameters'][name]
        assert value.tolist() == pytest.approx(
            [expected['lr'], expected['weight_decay']]), name


def test_mimdet_base():
    fixture = Fixture('optim_mimdet_base')
    with torch.device('meta'):
        model = build_detector(dict(type='MIMDetViT'), [192, 384, 512, 512])
    groups = mimdet_groups(model)
    check(model, groups, fixture, 'mimdet')
    sizes = sorted(len(group['params']) for group in groups)
    assert sizes == sorted(fixture.info['group_sizes'])


def test_benchmarking_vit_base():
    """The stock constructor does, with these settings."""
    fixture = Fixture('optim_benchmarking_vit_base')
    with torch.device('meta'):
        model = build_detector(dict(type='BenchmarkingViT'), [768] * 4)
    free = dict(decay_mult=0.)
    groups = groups_of(
        model,
        paramwise_cfg=dict(
            norm_decay_mult=0.,
            custom_keys=dict(
                pos_embed=free, relative_position_bias_table=free)))
    check(model, groups, fixture, 'benchmarking-vit')


def test_multiplier_of_large():
    model = build_detector(tiny(), TINY_CHANNELS, **NARROW)
    rates = {round(group['lr'], 10)
             for group in mimdet_groups(model, 3.5)}  # yapf: disable
    assert rates == {8e-5, 2.8e-4, round(8e-5 / 3.5, 10)}


def test_errors():
    model = build_detector(tiny(), TINY_CHANNELS, **NARROW)
    for multiplier in (0, -1., None):
        with pytest.raises(ValueError, match='multiplier.*positive'):
            mimdet_groups(model, multiplier)
    with pytest.raises(ValueError, match='multiplier.*None'):
        groups_of(model, constructor='MIMDetLearningRates')
    with pytest.raises(ValueError, match='MIMDetViT'):
        mimdet_groups(nn.ModuleDict(dict(backbone=nn.Linear(2, 2))))
