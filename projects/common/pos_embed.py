"""Position embeddings: sin-cos values and resampling between grids.

Shapes: L tokens of a grid, C channels.
"""
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .grid import Grid


def _sincos(positions_L: Tensor, channels: int) -> Tensor:
    """[sin(p * w_k) for all k, cos(p * w_k) for all k], w_k = 1e4^(-2k/C)."""
    if channels % 2:
        raise ValueError(f'sin-cos positions need an even number of channels '
                         f'for each axis, found {channels}')
    k = torch.arange(channels // 2, dtype=torch.float64)
    angle_LK = positions_L[:, None] * 10000**(-k / (channels / 2))
    return torch.cat([angle_LK.sin(), angle_LK.cos()], dim=1)


def sincos_pos_embed(channels: int, grid: Grid) -> Tensor:
    """Fixed sin-cos position embedding of a 1-, 2- or 3-D grid.

    In 2-D the first half of the channels encodes the *column* and the second
    half the *row*, as in MAE; mmpretrain's helper has them the other way
    round. In 3-D a quarter encodes time and the rest is the 2-D embedding.

    Args:
        channels: Embedding width C; a multiple of 2, 4 or 16 for 1 to 3
            dimensions.
        grid: (L,), (H, W) or (T, H, W).

    Returns:
        float32 tensor (1, L, C), tokens in raster order, computed in float64.

    Raises:
        ValueError: If ``channels`` does not divide over the axes.
    """
    if channels % {1: 2, 2: 4, 3: 16}[len(grid)]:
        raise ValueError(f'{channels} channels cannot hold a sin-cos '
                         f'embedding of {len(grid)} dimensions')
    axes = torch.meshgrid(
        *(torch.arange(side, dtype=torch.float64) for side in grid),
        indexing='ij')
    if len(grid) == 1:
        return _sincos(axes[0], channels)[None].float()
    *time, rows, columns = (axis.flatten() for axis in axes)
    parts = [_sincos(axis, channels // 4) for axis in time]
    share = (channels - channels // 4 * len(parts)) // 2
    parts += [_sincos(axis, share) for axis in (columns, rows)]
    return torch.cat(parts, dim=1)[None].float()


def resample_pos_embed(pos_1LC: Tensor, source: Grid, target: Grid) -> Tensor:
    """Resize a 2-D position embedding from one grid to another.

    Bicubic, corners not aligned, in float32 (the reference's choice); the
    dtype is restored.

    Args:
        pos_1LC: Embedding (1, L, C) of the ``source`` grid, raster order.
        source: (H, W) of the given embedding.
        target: (H, W) wanted.

    Returns:
        Tensor (1, L', C).
    """
    if tuple(source) == tuple(target):
        return pos_1LC
    pos_1CHW = pos_1LC.transpose(1, 2).unflatten(2, source)
    pos_1CHW = F.interpolate(
        pos_1CHW.float(), size=target, mode='bicubic', align_corners=False)
    return pos_1CHW.flatten(2).transpose(1, 2).to(pos_1LC.dtype)


def square_grid(name: str, length: int) -> Grid:
    """Grid (S, S) of a stored embedding of ``length`` tokens.

    Raises:
        ValueError: If ``length`` is not a square.
    """
    side = math.isqrt(length)
    if side * side != length:
        raise ValueError(
            f'{name} of the checkpoint holds {length} positions, which is no '
            'square grid; it can only be loaded at the size that it was '
            'trained at')
    return side, side


def resample_on_load(module: nn.Module,
                     name: str,
                     grid: Grid,
                     num_extra: int = 0) -> None:
    """Let ``module`` accept a checkpoint whose 2-D embedding has another size.

    Registers a hook that runs before the state dict is loaded. The resized
    names are listed in ``module.resampled_on_load`` for the load report.

    Args:
        module: Owner of the parameter.
        name: Name of the (1, E + L, C) parameter in ``module``.
        grid: (H, W) that the module stores.
        num_extra: Number E of rows before the grid's, such as that of a
            class token, which are kept as they are.
    """

    def hook(_module, state_dict, prefix, *_args) -> None:
        pos = state_dict.get(prefix + name)
        target = getattr(module, name)
        if (pos is None or pos.ndim != 3 or pos.shape == target.shape
                or pos.shape[2] != target.shape[2]):
            return
        extra, pos = pos[:, :num_extra], pos[:, num_extra:]
        source = square_grid(prefix + name, pos.shape[1])
        state_dict[prefix + name] = torch.cat(
            [extra, resample_pos_embed(pos, source, grid)], dim=1)

    module.register_load_state_dict_pre_hook(hook)
    resampled = getattr(module, 'resampled_on_load', ())
    module.resampled_on_load = (*resampled, name)
