"""The plain forms compute what the model computes: outputs and gradients.

In float64, on tiny backbones with relative positions as after training.
"""
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from projects.benchmark.original import SWITCHES, switch
from projects.convmae import ConvViT

ARCH = dict(
    channels=(8, 12, 16), depths=(1, 1, 3), mlp_ratios=(2, 2, 2), num_heads=2)
# the recipes of the detectors and of the segmentor, and the paper's windows
FPN = dict(window_size=3, global_blocks=(0, ), rel_pos='shared')
BACKBONES = dict(
    fpn=FPN,
    shifted=dict(FPN, shift_windows=True),
    sfp=dict(FPN, rel_pos='decomposed'),
    seg=dict(rel_pos='per_block', layer_scale=1.),
    plain=dict())


def randomise(module):
    for parameter in module.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.2)
    return module.double()


def assert_same(model, run, name):
    """Outputs agree, and so do the gradients of all parameters."""
    found = []
    changed = copy.deepcopy(model)
    switch(changed, name)
    for variant in (model, changed):
        outputs = run(variant)
        sum((x * x).sum() for x in outputs).backward()
        gradients = [p.grad for p in variant.parameters() if p.requires_grad]
        found.append([*outputs, *gradients])
    assert len(found[0]) == len(found[1]) > 10
    for mine, theirs in zip(*found):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('name', SWITCHES)
@pytest.mark.parametrize('kind', BACKBONES)
def test_backbone(kind, name):
    model = ConvViT(
        ARCH, img_size=64, out_indices=(0, 1, 2), **BACKBONES[kind])
    model = randomise(model).train()
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    assert_same(model, lambda model: model(images), name)


@pytest.mark.parametrize('name', SWITCHES)
@pytest.mark.parametrize('masking', [
    dict(type='RandomTokenMasking', ratio=0.75),
    dict(type='DisjointTokenMasking', ratio=0.75, num_masks=4)
])
def test_pretraining(masking, name, tmp_path):
    """One mask of an image, and four that show all of it together."""
    cfg = Config.fromfile('configs/convmae/demo/'
                          'convmae_tiny_1xb32-coslr-6k_shapes.py')
    cfg.model.masking = masking
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = randomise(MODELS.build(cfg.model)).train()
    images = torch.randn(3, 3, 64, 64, dtype=torch.float64)

    def run(model):
        torch.manual_seed(0)  # of the masks
        return [model.loss(images)['loss'], model.reconstruct(images)[0]]

    assert_same(model, run, name)


def test_dense_computes_hidden_cells():
    """It is slower, not the same thing under another name."""
    model = randomise(ConvViT(ARCH, img_size=64)).train()
    switch(model, 'dense')
    seen = []
    model.stages[0].blocks[0].dw_conv.register_forward_hook(
        lambda _module, args, _out: seen.append(args[0].shape))
    from projects.common.masking import RandomTokenMasking
    mask = RandomTokenMasking(0.75)(2, (4, 4))
    model.encode(torch.randn(2, 3, 64, 64).double(), mask)
    assert seen == [(2, 8, 16, 16)]


def test_a_switch_that_replaces_nothing_is_refused():
    with pytest.raises(ValueError, match='explicit-attention: the model has'):
        switch(nn.Linear(1, 1), 'explicit-attention')


def test_dense_of_an_encoder_that_is_dense_is_refused():
    with pytest.raises(ValueError, match='masked_conv=False'):
        switch(ConvViT(ARCH, img_size=64, masked_conv=False), 'dense')
