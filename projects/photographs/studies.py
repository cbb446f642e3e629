"""Variants of a pretraining, as changes of its config."""
from collections.abc import Mapping
from typing import Any

Variants = Mapping[str, Mapping[str, Any]]

# Iterations of each variant, by size.
LENGTH = dict(cpu=2000, gpu=3000)

COMPLEMENTARY = 4  # masks of an image that together show all of it
# Times as many iterations, for variants that are compared at equal time: one
# with complementary masks takes 0.76 of the baseline's time on a CPU
# (docs/results.md); on a GPU that was not measured.
LONGER = {'complementary-equal-time': 1.31}


def convmae(batch_size: int) -> Variants:
    """ConvMAE's Tables 5 and 6, mask ratios, and FastConvMAE's masks.

    Args:
        batch_size: Images in a step of the baseline. With complementary masks
            it has fewer, so that a step encodes and decodes as many views.
    """
    complementary = {
        'model.masking.type': 'DisjointTokenMasking',
        'model.masking.num_masks': COMPLEMENTARY,
        'train_dataloader.batch_size': batch_size // COMPLEMENTARY
    }
    return {
        'baseline': {},
        'no-multi-scale': {
            'model.neck.stage_channels': ()
        },
        'no-masked-conv': {
            'model.backbone.masked_conv': False
        },
        'input-token-mask': {
            'model.masking.scale': 4,
            'find_unused_parameters': True
        },
        'mask-0.5': {
            'model.masking.ratio': 0.5
        },
        'mask-0.875': {
            'model.masking.ratio': 0.875
        },
        'complementary': complementary,
        'complementary-equal-time': complementary,
    }


# ExtreMA's section 4 and appendix A.
EXTREMA: Variants = {
    'mask08x5-cait': {},
    'mask09x8-cait': {
        'model.masking.ratio': 0.9,
        'model.masking.num_masks': 8
    },
    'mask08x1-cait': {
        'model.masking.num_masks': 1
    },
    'mask08x5-vit': {
        'model.backbone.token_mode': 'vit'
    },
    'mask08x5-avg': {
        'model.backbone.token_mode': 'avg'
    },
}
