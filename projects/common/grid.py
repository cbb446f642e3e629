"""Blocks of a grid: the one rearrangement behind patches, cells and masks.

A token of the transformer owns a block of pixels, and inside it blocks of the
finer stages' cells. ``nest`` brings a dense map into that order, so that a
convolution whose kernel equals its stride is a linear layer on a block.

Shapes: B batch, C channels, L tokens on the grid, P positions in a block.
"""
import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

Grid = tuple[int, ...]


def nest(x_BCX: Tensor, factors: Sequence[Grid]) -> Tensor:
    """Cut a map into blocks, each in coarse-to-fine (nested) order.

    Args:
        x_BCX: Map of shape (B, C, *spatial), 1 to 3 spatial dimensions.
        factors: Subdivisions from coarse to fine, one tuple with an entry per
            spatial dimension each. Their product is the block's size.

    Returns:
        Tensor (B, L, P, C): blocks in raster order; inside a block the
        positions of the first factor vary slowest, each factor row-major.

    Raises:
        ValueError: If a spatial size is not a multiple of the block's size.
    """
    batch, channels, *spatial = x_BCX.shape
    dims, levels = len(spatial), len(factors)
    block = [math.prod(sizes) for sizes in zip(*factors)]
    if any(size % side for size, side in zip(spatial, block)):
        raise ValueError(f'size {tuple(spatial)} is not a multiple of the '
                         f'block size {tuple(block)}')
    shape = [batch, channels]
    for dim, size in enumerate(spatial):
        shape += [size // block[dim], *(factor[dim] for factor in factors)]
    order = [0]
    for level in range(levels + 1):
        order += [2 + dim * (levels + 1) + level for dim in range(dims)]
    x = x_BCX.reshape(shape).permute(*order, 1)
    return x.reshape(batch, -1, math.prod(block), channels)


def block_grid(size: Grid,
               block: Grid,
               name: str,
               units: str = 'pixels') -> Grid:
    """Number of blocks along each side.

    Args:
        size: Size in pixels.
        block: Size of a block in pixels.
        name: What has that size, for the message.
        units: What sides are measured in, for the message.

    Raises:
        ValueError: If a side is not a positive multiple of the block's.
    """
    if any(side % step or side < step for side, step in zip(size, block)):
        raise ValueError(
            f'{name} is {"x".join(map(str, size))} {units}; every side must '
            f'be a positive multiple of {"x".join(map(str, block))}')
    return tuple(side // step for side, step in zip(size, block))


def unnest(x_BLPC: Tensor, grid: Grid, factors: Sequence[Grid]) -> Tensor:
    """Inverse of :func:`nest`.

    Args:
        x_BLPC: Blocks of shape (B, L, P, C).
        grid: Number of blocks along each spatial dimension.
        factors: As given to :func:`nest`.

    Returns:
        Tensor (B, C, *spatial).
    """
    # not len(): that would fix the number when the model is exported
    batch, channels = x_BLPC.shape[0], x_BLPC.shape[-1]
    dims, levels = len(grid), len(factors)
    sizes = [grid, *factors]
    x = x_BLPC.reshape(batch, *(n for size in sizes for n in size), channels)
    order = [0, x.ndim - 1]
    for dim in range(dims):
        order += [1 + level * dims + dim for level in range(levels + 1)]
    spatial = [math.prod(sides) for sides in zip(*sizes)]
    return x.permute(*order).reshape(batch, channels, *spatial)


def block_linear(x_BLPC: Tensor, conv: nn.Module,
                 factors: Sequence[Grid]) -> Tensor:
    """Apply a convolution whose kernel equals its stride, block by block.

    Args:
        x_BLPC: Blocks (B, L, P, C) in nested order.
        conv: Convolution with weight (C', C, *kernel), kernel = stride.
        factors: Nested order of the block; their product is the kernel.

    Returns:
        Tensor (B, L, C').
    """
    weight = nest(conv.weight, factors).flatten(1)
    return F.linear(x_BLPC.flatten(2), weight, conv.bias)
