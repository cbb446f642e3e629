"""Learning rates and weight decays of the two recipes."""
import math

import pytest
import torch
from detectors import FPN, SFP, build, leaf
from golden import Fixture
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from projects.convmae.convert import convert


@pytest.fixture(scope='module')
def groups():
    """Parameter groups by recipe and name: built on no memory."""
    found = {}
    for name in (FPN, SFP):
        cfg = leaf(name)
        with torch.device('meta'):
            model = build(cfg.model)
        cfg.optim_wrapper.type = 'OptimWrapper'  # AMP needs a GPU
        for key in ('dtype', 'loss_scale'):
            del cfg.optim_wrapper[key]
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
        of = {id(p): group for group in optimizer.param_groups
              for p in group['params']}  # yapf: disable
        found[name] = {
            key: (of[id(p)]['lr'], of[id(p)]['weight_decay'])
            for key, p in model.named_parameters() if p.requires_grad
        }
    return found


def test_fpn_recipe(groups):
    info = Fixture('optim_convmae_det_base').info
    shapes = Fixture('keys_convmae_det_base_detector').info['keys']
    ours = groups[FPN]
    for official, expected in info['parameters'].items():
        name, = convert(
            {official: torch.zeros(shapes[official], device='meta')},
            'det-fpn')
        assert ours[name] == pytest.approx(
            (expected['lr'], expected['weight_decay'])), name
    assert len(ours) == len(info['parameters'])
    assert 'backbone.pos_embed' not in ours


def depth(name):
    """Exponent of the decay: spec of the official ViTDet-style recipe."""
    parts = name.split('.')
    if parts[0] != 'backbone' or parts[1] == 'pos_embed':
        return 0
    if parts[:4] == ['backbone', 'stages', '2', 'blocks']:
        return 11 - int(parts[4])
    return 12


def test_sfp_recipe(groups):
    with torch.device('meta'):
        model = build(leaf(SFP).model)
    norms = {
        f'{prefix}.{name}'
        for prefix, module in model.backbone.named_modules(prefix='backbone')
        if isinstance(module, nn.LayerNorm)
        for name, _ in module.named_parameters(recurse=False)
    }
    assert len(norms) == 2 * (3 + 2 * 15)
    for name, (rate, decay) in groups[SFP].items():
        assert rate == pytest.approx(1e-4 * 0.8**depth(name)), name
        free = name in norms or name == 'backbone.pos_embed'
        assert decay == (0 if free else 0.1), name
    assert 'neck.lateral_convs.0.ln.weight' in groups[SFP]


def rates(name, count):
    """The learning rate of the first iterations, relative to its base."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(cfg, optimizer=optimizer))
        for cfg in leaf(name).param_scheduler
    ]
    for _ in range(count):
        yield optimizer.param_groups[0]['lr']
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()


def test_schedule_of_the_fpn_recipe():
    """Cosine over the run; 461 iterations of warm-up from a thousandth."""
    total, warmup = 92187, 461
    assert leaf(FPN).train_cfg.max_iters == total
    for i, rate in enumerate(rates(FPN, 1000)):
        expected = (1 + math.cos(math.pi * i / total)) / 2
        expected *= min(1, 1e-3 + (1 - 1e-3) * i / warmup)
        assert rate == pytest.approx(expected, rel=1e-4), i
    assert leaf(FPN).param_scheduler[0].end == total


def test_schedule_of_the_sfp_recipe():
    """Constant but for two steps; 250 iterations of warm-up."""
    assert leaf(SFP).train_cfg.max_iters == 184375
    for i, rate in enumerate(rates(SFP, 400)):
        expected = min(1, 1e-3 + (1 - 1e-3) * i / 250)
        assert rate == pytest.approx(expected, rel=1e-6), i
    steps = leaf(SFP).param_scheduler[0]
    assert (steps.milestones, steps.gamma) == ([163889, 177546], 0.1)
