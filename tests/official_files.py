"""Tiny checkpoints as the official repositories write them."""
import torch
from golden import Fixture
from torch import Tensor

# the model of tiny_weights('convmae_pretrain_tiny_normpix')
TINY_CONVMAE = """
default_scope = 'mmpretrain'
custom_imports = dict(imports=['projects.convmae'])
arch = dict(channels=(16, 24, 32), depths=(1, 1, 2), mlp_ratios=(4, 4, 4),
            num_heads=4)
model = dict(
    type='MaskedAutoencoder',
    masking=dict(type='RandomTokenMasking'),
    backbone=dict(type='ConvViT', arch=arch),
    neck=dict(type='MultiScaleDecoder', in_channels=32,
              stage_channels=(16, 24), channels=24, depth=2, num_heads=3,
              grid=(14, 14), out_channels=768),
    head=dict(type='MaskedPixelHead'))
"""


def tiny_weights(fixture: str) -> dict[str, Tensor]:
    """All tensors of a fixture's model; tables it does not state at random."""
    described = Fixture(fixture)
    weights = described.state_dict()
    for key in described.info['untouched_keys']:
        weights[key] = torch.randn(described.info['state_dict'][key])
    return weights
