"""Shapes and widths of ViTDet's pyramid."""
import pytest
import torch
from mmengine.registry import MODELS

import projects.detection  # noqa: F401


def test_parameters_of_base():
    neck = MODELS.build(dict(type='SimpleFeaturePyramid', in_channels=768))
    assert sum(p.numel() for p in neck.parameters()) == 5_560_000


@pytest.mark.parametrize('grid', [(4, 4), (5, 3)])
def test_strides_four_to_sixty_four(grid):
    neck = MODELS.build(
        dict(type='SimpleFeaturePyramid', in_channels=16, out_channels=8))
    height, width = grid
    x = torch.randn(2, 16, height, width, requires_grad=True)
    maps = neck((torch.randn(2, 3, 9, 9), x))
    half = (height // 2, width // 2)
    assert [tuple(y.shape) for y in maps] == [
        (2, 8, 4 * height, 4 * width), (2, 8, 2 * height, 2 * width),
        (2, 8, height, width), (2, 8, *half),
        (2, 8, -(-half[0] // 2), -(-half[1] // 2))
    ]  # yapf: disable
    sum(y.square().sum() for y in maps).backward()
    assert all(p.grad is not None for p in neck.parameters())
    torch.testing.assert_close(maps[4], maps[3][:, :, ::2, ::2])
