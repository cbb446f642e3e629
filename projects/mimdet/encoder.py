"""Plain ViT encoder on a sample of the tokens.

Source: arXiv:2204.02964, section 2.1; checked against hustvl/MIMDet at
fb0aaa1.

Shapes: B images, L tokens on the grid, K sampled tokens, C channels.
"""
import difflib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from projects.common.activation_checkpoint import run
from projects.common.blocks import TransformerBlock
from projects.common.grid import Grid
from projects.common.masking import TokenMask
from projects.common.pos_embed import (resample_on_load, resample_pos_embed,
                                       sincos_pos_embed)
from projects.common.windows import Windows

# 'tiny' is ours, for tests and demonstrations.
ARCHS = {
    'tiny': dict(channels=64, depth=4, num_heads=4),
    'base': dict(channels=768, depth=12, num_heads=12),
    'large': dict(channels=1024, depth=24, num_heads=16),
}
PATCH = 16  # side of a token in pixels
STRIDE = 32  # of the coarsest map, in pixels
EPS = 1e-5  # of every LayerNorm in MIMDet; MAE has 1e-6


def parse_arch(arch: str | dict) -> dict:
    """Channels, depth and number of heads of an architecture.

    Raises:
        ValueError: If the name is unknown or a field is missing.
    """
    if isinstance(arch, dict):
        missing = ARCHS['base'].keys() - arch.keys()
        if missing:
            raise ValueError(f'arch lacks {sorted(missing)}; it needs '
                             f'{list(ARCHS["base"])}')
        return dict(arch)
    if arch not in ARCHS:
        near = difflib.get_close_matches(str(arch), ARCHS, n=1, cutoff=0)
        raise ValueError(f'unknown arch {arch!r}; did you mean {near[0]!r}? '
                         f'Choose from {list(ARCHS)}')
    return ARCHS[arch]


def stored_grid(img_size: int | Grid) -> Grid:
    """Token grid of an image size in a configuration.

    Raises:
        ValueError: If a side is not a positive multiple of a token's.
    """
    if isinstance(img_size, int):
        img_size = (img_size, img_size)
    height, width = img_size
    if height % PATCH or width % PATCH or min(height, width) < PATCH:
        raise ValueError(f'backbone.img_size is {height}x{width} pixels; '
                         f'sides must be positive multiples of {PATCH}')
    return height // PATCH, width // PATCH


def token_grid(x_BCHW: Tensor) -> Grid:
    """Tokens along the height and width of a batch of images.

    Raises:
        ValueError: If a side is not a positive multiple of 32 pixels.
    """
    height, width = x_BCHW.shape[2:]
    if height % STRIDE or width % STRIDE or not height * width:
        raise ValueError(
            f'input image is {height}x{width} pixels; every side must be a '
            f'positive multiple of {STRIDE}: set '
            f'data_preprocessor.pad_size_divisor={STRIDE}')
    return height // PATCH, width // PATCH


class FixedPosEmbed(nn.Module):
    """Fixed sin-cos position embedding of any grid.

    The table has a row for MAE's class token before those of the grid. It is
    unused, but counted and stored by the official model.

    Args:
        channels: Width C.
        grid: (H, W) of the stored table; others resample it at run time.
    """

    def __init__(self, channels: int, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        table = sincos_pos_embed(channels, grid)
        self.table = nn.Parameter(
            torch.cat([table.new_zeros(1, 1, channels), table], dim=1),
            requires_grad=False)
        resample_on_load(self, 'table', grid, num_extra=1)

    def forward(self, x_BLC: Tensor, grid: Grid) -> Tensor:
        """Add the embedding of ``grid`` to its tokens."""
        return x_BLC + resample_pos_embed(self.table[:, 1:], self.grid, grid)


class SampledViT(nn.Module):
    """Position embedding, transformer blocks and a norm.

    Args:
        arch: Channels, depth and number of heads.
        grid: (H, W) of the stored position embedding.
        drop_path_rate: Rate of the last block, linear from 0 at the first.
        window_size: Side in tokens of the windows in which blocks attend; 0
            for attention among all tokens that are seen.
        global_blocks: Blocks that attend to all tokens nevertheless.
        with_cp: Recompute activations in the backward pass.

    Raises:
        ValueError: If there are no such ``global_blocks``.
    """

    def __init__(self,
                 arch: dict,
                 grid: Grid,
                 drop_path_rate: float = 0.,
                 window_size: int = 0,
                 global_blocks: Sequence[int] = (),
                 with_cp: bool = False) -> None:
        super().__init__()
        unknown = [n for n in global_blocks if not 0 <= n < arch['depth']]
        if unknown or (global_blocks and not window_size):
            raise ValueError(
                f'backbone.global_blocks is {tuple(global_blocks)}; it needs '
                'a window_size and names blocks from 0 to '
                f'{arch["depth"] - 1}')
        self.window_size = window_size
        self.global_blocks = frozenset(global_blocks)
        self.with_cp = with_cp
        self.pos_embed = FixedPosEmbed(arch['channels'], grid)
        rates = np.linspace(0, drop_path_rate, arch['depth']).tolist()
        self.blocks = nn.ModuleList(
            TransformerBlock(
                arch['channels'], arch['num_heads'], drop_path=rate, eps=EPS)
            for rate in rates)
        self.norm = nn.LayerNorm(arch['channels'], EPS)

    def forward(self, x_BLC: Tensor, mask: TokenMask,
                out_blocks: Sequence[int]) -> list[Tensor]:
        """Encode the tokens that ``mask`` keeps.

        Args:
            x_BLC: All tokens of the stem.
            mask: Which of them are encoded.
            out_blocks: Blocks whose output is returned too, without norm.

        Returns:
            Tokens (B, K, C) of the ``out_blocks``, and the encoded ones.
        """
        x_BKC = mask.take(self.pos_embed(x_BLC, mask.grid))
        windows = None
        if self.window_size:
            windows = Windows(mask.grid, (self.window_size, ) * 2)
        outs = []
        for index, block in enumerate(self.blocks):
            where = None if index in self.global_blocks else windows
            x_BKC = run(block, x_BKC, where, with_cp=self.with_cp)
            if index in out_blocks:
                outs.append(x_BKC)
        return [*outs, self.norm(x_BKC)]
