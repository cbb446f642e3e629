"""ExtreMA trained by the real tools: interrupted, and on two processes."""
from collections.abc import Callable
from pathlib import Path

import pytest
from training_runs import (check_interrupted, check_two_processes,
                           make_project, write_config)

CONFIG = """
custom_imports = dict(imports=['projects.extrema', 'faults'],
                      allow_failed_imports=False)
default_scope = 'mmpretrain'
mlp = dict(type='ProjectionMLP', hid_channels=32, out_channels=16)
model = dict(
    type='ExtreMA',
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor', mean=[127.5] * 3, std=[60.] * 3,
        to_rgb=True),
    masking=dict(type='DisjointTokenMasking', ratio=0.75, num_masks=3),
    momentum=0.1,
    backbone=dict(
        type='ClassAttentionViT', img_size=32, patch_size=8,
        drop_path_rate={drop_path},
        arch=dict(channels=32, depth=2, num_heads=4)),
    neck=dict(**mlp, in_channels=32, num_layers=3),
    head=dict(
        type='LatentPredictHead', loss={loss},
        predictor=dict(**mlp, in_channels=16, num_layers=2)))
del mlp
"""
VIEWS = """dict(type='MultiView', num_views=2, transforms=[[
                dict(type='ColorJitter', brightness=0.4, hue=0.1)]]),
            """
BYOL = "dict(type='CosineSimilarityLoss', shift_factor=2., scale_factor=2.)"
INFONCE = "dict(type='CrossMaskInfoNCE', temperature=0.2)"


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """A writer of configs, beside images."""
    make_project(tmp_path)

    def write(batch: int, drop_path: float = 0.2, loss: str = BYOL) -> Path:
        text = CONFIG.replace('{drop_path}', str(drop_path))
        text = text.replace('{loss}', loss)
        return write_config(tmp_path, text, batch=batch, more=VIEWS)

    return write


def test_killed_and_resumed_is_bit_identical(project: Callable[..., Path],
                                             tmp_path: Path) -> None:
    """The teacher, too, so its momentum went on where it was."""
    check_interrupted(project(batch=4), tmp_path)


def test_two_processes_give_the_losses_of_one(project: Callable[..., Path],
                                              tmp_path: Path) -> None:
    """Same views and masks; contrast with the images of both processes.

    Stochastic depth is off: each process draws its own.
    """
    check_two_processes(
        project(batch=4, drop_path=0, loss=INFONCE),
        project(batch=2, drop_path=0, loss=INFONCE), tmp_path)
