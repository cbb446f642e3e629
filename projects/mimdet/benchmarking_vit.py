"""Benchmarking-ViT: the plain-ViT detector that MIMDet is measured against.

Source: arXiv:2111.11429 as re-implemented by hustvl/MIMDet at fb0aaa1.

Shapes: B images, L tokens on the grid, C channels.
"""
import numpy as np
import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from projects.common.activation_checkpoint import run
from projects.common.blocks import TransformerBlock
from projects.common.checkpoint import Rename, rename
from projects.common.grid import Grid
from projects.common.pos_embed import (resample_on_load, resample_pos_embed,
                                       sincos_pos_embed)
from projects.common.rel_pos import TABLE, SharedTable
from projects.common.windows import Windows

from .adaptor import PyramidAdaptor, quarter_ends
from .convert import transformer_rules
from .encoder import PATCH, parse_arch, stored_grid, token_grid
from .from_mae import FromMAE

TO_BACKBONE = [
    # MAE's class token has a position, ours has none
    Rename('pos_embed', 'pos_embed', forward=lambda table: table[:, 1:]),
    Rename('patch_embed.proj.*', 'patch_embed.*'),
    *transformer_rules('blocks', 'blocks'),
]
IGNORE = ('cls_token', 'norm.*', 'mask_token', 'decoder_*')
SHARED_TABLE = f'rel_pos_bias.{TABLE}'
EXTRA_OFFSETS = 3  # rows of BEiT's table for its class token, at the end


@MODELS.register_module()
class BenchmarkingViT(FromMAE):
    """Plain ViT with windows, relative positions and a made-up pyramid.

    Each quarter of the blocks ends with one of global attention; the others
    attend in windows. One table of relative positions is shared by all
    windowed blocks and one by all global ones.

    Args:
        arch: A key of ``ARCHS`` or a dict with the same fields.
        img_size: Image size in pixels, one number or (height, width), whose
            grid positions are stored for; others resample them (the reference
            takes this size only).
        window_size: Side of the windows in tokens.
        learned_pos: Start from the position embedding of the checkpoint.
            Otherwise it is overwritten by a sin-cos one with rows and columns
            exchanged, as by the released recipe, although the former is
            reported to be better by 0.6 box AP. Both are trained.
        drop_path_rate: Rate of the last block, linear from 0 at the first.
        with_cp: Recompute the activations of blocks in the backward pass.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with an MAE, see
            :class:`FromMAE`, or with own weights and ``prefix``.

    Raises:
        ValueError: If the arch is unknown, its depth is no multiple of 4 or
            the size is no multiple of 16.
    """

    def __init__(self,
                 arch: str | dict = 'base',
                 img_size: int | Grid = 1024,
                 window_size: int = 16,
                 learned_pos: bool = False,
                 drop_path_rate: float = 0.,
                 with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        arch, self.grid = parse_arch(arch), stored_grid(img_size)
        channels, heads = arch['channels'], arch['num_heads']
        self.num_blocks = arch['depth']
        self.window = (window_size, window_size)
        self.learned_pos = learned_pos
        self.with_cp = with_cp
        self.global_blocks = quarter_ends(arch['depth'])
        self.patch_embed = nn.Conv2d(3, channels, PATCH, stride=PATCH)
        column_row = sincos_pos_embed(channels, self.grid).chunk(2, dim=2)
        self.pos_embed = nn.Parameter(torch.cat(column_row[::-1], dim=2))
        resample_on_load(self, 'pos_embed', self.grid)
        self.blocks = nn.ModuleList(
            TransformerBlock(channels, heads, drop_path=rate)
            for rate in np.linspace(0, drop_path_rate, arch['depth']).tolist())
        self.window_rel_pos = SharedTable(self.window, heads)
        self.global_rel_pos = SharedTable(self.grid, heads)
        self.adaptor = PyramidAdaptor(channels)
        self.new_from_mae = ('adaptor.', 'window_rel_pos.', 'global_rel_pos.')
        if not learned_pos:
            self.new_from_mae += ('pos_embed', )

    def _init_from_scratch(self) -> None:
        """Weights of a ViT; relative positions stay zero."""
        self.adaptor.init_weights()
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=.02)
                nn.init.zeros_(module.bias)

    def _from_mae(self, mae: dict[str, Tensor]) -> dict[str, Tensor]:
        """As :class:`FromMAE`; BEiT's shared table initialises both."""
        mae = dict(mae)
        table = mae.pop(SHARED_TABLE, None)
        ignore = IGNORE if self.learned_pos else (*IGNORE, 'pos_embed')
        found = rename(mae, TO_BACKBONE, ignore=ignore)
        if table is not None:
            for name in ('window_rel_pos', 'global_rel_pos'):
                found[f'{name}.{TABLE}'] = table[:-EXTRA_OFFSETS]
        return found

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Maps (B, C, H / s, W / s) of strides s = 4, 8, 16, 32.

        Raises:
            ValueError: If a side is not a positive multiple of 32 pixels.
        """
        grid = token_grid(x_BCHW)
        x_BLC = self.patch_embed(x_BCHW).flatten(2).transpose(1, 2)
        x_BLC = x_BLC + resample_pos_embed(self.pos_embed, self.grid, grid)
        local = Windows(grid, self.window), self.window_rel_pos(self.window)
        everywhere = Windows(grid, grid), self.global_rel_pos(grid)
        maps = []
        for index, block in enumerate(self.blocks):
            where = everywhere if index in self.global_blocks else local
            x_BLC = run(block, x_BLC, *where, with_cp=self.with_cp)
            if index in self.global_blocks:
                maps.append(x_BLC.transpose(1, 2).unflatten(2, grid))
        return self.adaptor(maps)
