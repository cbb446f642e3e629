"""ConvMAE trained by the real tools: interrupted, and on two processes."""
import pytest
from training_runs import (check_interrupted, check_two_processes,
                           make_project, write_config)

CONFIG = """
custom_imports = dict(imports=['projects.convmae', 'faults'],
                      allow_failed_imports=False)
default_scope = 'mmpretrain'
model = dict(
    type='MaskedAutoencoder',
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor', mean=[127.5] * 3, std=[60.] * 3,
        to_rgb=True),
    masking=dict(type='RandomTokenMasking', ratio=0.75),
    backbone=dict(
        type='ConvViT', img_size=32, pos_trainable=False,
        drop_path_rate={drop_path},
        arch=dict(channels=(8, 16, 32), depths=(1, 1, 2),
                  mlp_ratios=(2, 2, 2), num_heads=4)),
    neck=dict(
        type='MultiScaleDecoder', in_channels=32, stage_channels=(8, 16),
        channels=16, depth=1, num_heads=2, grid=(2, 2), out_channels=768),
    head=dict(type='MaskedPixelHead'))
"""


@pytest.fixture
def project(tmp_path):
    """A writer of configs, beside images."""
    make_project(tmp_path)

    def write(batch, workers=0, drop_path=0.2):
        text = CONFIG.replace('{drop_path}', str(drop_path))
        return write_config(tmp_path, text, batch=batch, workers=workers)

    return write


@pytest.mark.parametrize('workers', [0, 2])
def test_killed_and_resumed_is_bit_identical(project, tmp_path, workers):
    check_interrupted(project(batch=4, workers=workers), tmp_path)


def test_two_processes_give_the_losses_of_one(project, tmp_path):
    """Same global batch: same crops, same masks, averaged losses.

    Stochastic depth is off: each process draws its own.
    """
    check_two_processes(
        project(batch=4, drop_path=0), project(batch=2, drop_path=0), tmp_path)
