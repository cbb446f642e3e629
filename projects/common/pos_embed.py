"""Position embeddings: their values, and resampling between grids.

Shapes: L tokens of a grid, C channels, (T,) H, W sides of a grid.
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


def interleaved_sincos_pos_embed(channels: int, length: int) -> Tensor:
    """Fixed embedding of one dimension with sine and cosine taking turns.

    Channel 2k is sin(p * w_k), channel 2k + 1 is cos(p * w_k), with
    w_k = 1e4^(-2k/C): the Transformer's, which VideoMAE applies to the raster
    position of a space-time token.

    Args:
        channels: Embedding width C, even.
        length: Number L of positions.

    Returns:
        float32 tensor (1, L, C), computed in float64.

    Raises:
        ValueError: If ``channels`` is odd.
    """
    positions_L = torch.arange(length, dtype=torch.float64)
    halves_L2K = _sincos(positions_L, channels).unflatten(1, (2, -1))
    return halves_L2K.transpose(1, 2).flatten(1)[None].float()


def make_pos_embed(kind: str, channels: int, grid: Grid) -> Tensor:
    """Initial values (1, L, C) of a position embedding.

    Args:
        kind: ``'2d_sincos'`` or ``'3d_sincos'``, whichever has the dimensions
            of ``grid`` (:func:`sincos_pos_embed`), ``'1d_sincos'``
            (:func:`interleaved_sincos_pos_embed` over the raster) or
            ``'learned'`` (normal, 0.02, to be trained).
        channels: Embedding width C.
        grid: (H, W) or (T, H, W).

    Raises:
        ValueError: If ``kind`` is unknown or does not fit the grid or
            ``channels``.
    """
    length, by_axes = math.prod(grid), f'{len(grid)}d_sincos'
    if kind == by_axes:
        return sincos_pos_embed(channels, grid)
    if kind == '1d_sincos':
        return interleaved_sincos_pos_embed(channels, length)
    if kind == 'learned':
        return nn.init.trunc_normal_(torch.empty(1, length, channels), std=.02)
    raise ValueError(f'pos is {kind!r}; a grid of {len(grid)} dimensions has '
                     f"the choice of {by_axes!r}, '1d_sincos' and 'learned'")


def resample_pos_embed(pos_1LC: Tensor, source: Grid, target: Grid) -> Tensor:
    """Resize a 2-D or 3-D position embedding from one grid to another.

    Bicubic in space, corners not aligned, in float32 (the reference's
    choice), linear in time; the dtype is restored.

    Args:
        pos_1LC: Embedding (1, L, C) of the ``source`` grid, raster order.
        source: (H, W) or (T, H, W) of the given embedding.
        target: The same, wanted.

    Returns:
        Tensor (1, L', C).
    """
    if tuple(source) == tuple(target):
        return pos_1LC
    pos_TCHW = pos_1LC.unflatten(1, (-1, *source[-2:]))[0].movedim(-1, 1)
    pos_TCHW = pos_TCHW.float()
    if tuple(source[-2:]) != tuple(target[-2:]):
        pos_TCHW = F.interpolate(
            pos_TCHW, target[-2:], mode='bicubic', align_corners=False)
    pos_LCT = pos_TCHW.flatten(2).permute(2, 1, 0)
    if tuple(source[:-2]) != tuple(target[:-2]):
        pos_LCT = F.interpolate(
            pos_LCT, target[:-2], mode='linear', align_corners=False)
    pos_TLC = pos_LCT.permute(2, 0, 1)
    return pos_TLC.flatten(0, 1)[None].to(pos_1LC.dtype)


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


def stored_grid(name: str, length: int, grid: Grid) -> Grid:
    """Grid of a stored embedding of ``length`` tokens.

    A square in 2-D. In 3-D either the number of frames is another than that
    of ``grid``, or the frames are, and square.

    Args:
        name: Of the embedding, for messages.
        length: Number of tokens in the checkpoint.
        grid: The grid that it will be resampled to.

    Raises:
        ValueError: If no such grid has so many tokens, or two have.
    """
    if len(grid) == 2:
        return square_grid(name, length)
    frames, height, width = grid
    found = set()
    if length % (height * width) == 0:
        found.add((length // (height * width), height, width))
    side = math.isqrt(length // frames)
    if frames * side * side == length:
        found.add((frames, side, side))
    if len(found) != 1:
        sizes = ' or '.join('x'.join(map(str, size)) for size in sorted(found))
        raise ValueError(
            f'{name} of the checkpoint holds {length} positions, which '
            f'{f"may be {sizes}" if sizes else "is no grid of square frames"} '
            f'beside {"x".join(map(str, grid))}; it can only be loaded at the '
            'size that it was trained at')
    return found.pop()


def resample_on_load(module: nn.Module,
                     name: str,
                     grid: Grid,
                     num_extra: int = 0) -> None:
    """Let ``module`` accept a checkpoint whose embedding has another size.

    Registers a hook that runs before the state dict is loaded. The resized
    names are listed in ``module.resampled_on_load`` for the load report.

    Args:
        module: Owner of the parameter.
        name: Name of the (1, E + L, C) parameter in ``module``.
        grid: (H, W) or (T, H, W) that the module stores.
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
        source = stored_grid(prefix + name, pos.shape[1], grid)
        state_dict[prefix + name] = torch.cat(
            [extra, resample_pos_embed(pos, source, grid)], dim=1)

    module.register_load_state_dict_pre_hook(hook)
    resampled = getattr(module, 'resampled_on_load', ())
    module.resampled_on_load = (*resampled, name)
