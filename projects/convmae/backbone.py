"""ConvViT: two convolution stages, then a transformer (ConvMAE's encoder).

Source: arXiv:2205.03892, section 2; behaviour checked against
Alpha-VL/ConvMAE at 4c97b4c.

Shapes: N images, B = V * N masked rows, L tokens on the grid, K visible
tokens, P finer cells of a token in nested order, C channels.
"""
import math
import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.registry import MODELS
from torch import Tensor, nn

from projects.common.activation_checkpoint import run
from projects.common.arch import resolve_arch
from projects.common.attention import Attention, AxisAttention, TableAttention
from projects.common.biased_attention import Bias
from projects.common.blocks import (CONV, CellLayout, ConvBlock,
                                    TransformerBlock)
from projects.common.checkpoint import PretrainedModule
from projects.common.grid import Grid, block_grid, block_linear, nest
from projects.common.masking import TokenMask
from projects.common.pos_embed import (make_pos_embed, resample_on_load,
                                       resample_pos_embed)
from projects.common.rel_pos import SharedTable
from projects.common.windows import Windows

# Relative positions and the attention that owns them; that of None and
# 'shared' has none of its own.
REL_POS = {
    None: Attention,
    'shared': Attention,
    'per_block': TableAttention,
    'decomposed': AxisAttention,
}

# Table 7 of the paper; 'tiny' is ours, for tests and demonstrations.
ARCHS = {
    'tiny': dict(channels=(32, 64, 128), depths=(1, 1, 4),
                 mlp_ratios=(4, 4, 4), num_heads=4),
    'small': dict(channels=(128, 256, 384), depths=(2, 2, 11),
                  mlp_ratios=(4, 4, 4), num_heads=6),
    'base': dict(channels=(256, 384, 768), depths=(2, 2, 11),
                 mlp_ratios=(4, 4, 4), num_heads=12),
    'base*': dict(channels=(256, 384, 768), depths=(2, 2, 11),
                  mlp_ratios=(8, 8, 4), num_heads=12),
    'large': dict(channels=(384, 768, 1024), depths=(2, 2, 23),
                  mlp_ratios=(8, 8, 4), num_heads=16),
    'huge': dict(channels=(768, 1024, 1280), depths=(2, 2, 31),
                 mlp_ratios=(8, 8, 4), num_heads=16),
}  # yapf: disable


def parse_arch(arch: str | dict) -> dict:
    """Resolve an architecture by name, or check one that is spelled out.

    Raises:
        ValueError: If the name is unknown or a field is missing.
    """
    return resolve_arch(arch, ARCHS)


class PatchEmbed(nn.Module):
    """Stem of a stage: a convolution on blocks, LayerNorm, GELU.

    Args:
        in_channels: Channels of the finer map.
        channels: Channels of this stage.
        stride: Kernel and stride along each spatial dimension.
        eps: Epsilon of the LayerNorm.
    """

    def __init__(self, in_channels: int, channels: int, stride: Grid,
                 eps: float) -> None:
        super().__init__()
        self.stride = stride
        self.projection = CONV[len(stride)](in_channels, channels, stride,
                                            stride)
        self.norm = nn.LayerNorm(channels, eps)

    def forward(self, x_BNPC: Tensor) -> Tensor:
        """Cells (B, N, C) of blocks (B, N, P, C') of the finer map."""
        x_BNC = block_linear(x_BNPC, self.projection, [self.stride])
        return F.gelu(self.norm(x_BNC))


class Stage(nn.Module):
    """One of the three stages: a stem and its blocks."""

    def __init__(self,
                 patch_embed: PatchEmbed,
                 blocks: list[nn.Module],
                 token_proj: nn.Module | None = None) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        if token_proj is not None:
            self.token_proj = token_proj
        self.blocks = nn.ModuleList(blocks)


class ConvDown(nn.Module):
    """Stride 16 to stride 32 in the released segmentor.

    A 3x3 convolution without padding, a norm, GELU; a side of n cells
    becomes (n - 1) // 2.

    Args:
        channels: Channels of both maps.
        norm_cfg: Norm layer, as mmcv builds it.
    """

    def __init__(self, channels: int, norm_cfg: dict) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)
        self.bn = build_norm_layer(norm_cfg, channels)[1]

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Map of half the size."""
        return F.gelu(self.bn(self.conv(x_NCHW)))


@MODELS.register_module()
class ConvViT(PretrainedModule):
    """Hybrid convolution-transformer backbone.

    Args:
        arch: A key of ``ARCHS`` or a dict with the same fields.
        img_size: Image size in pixels, one number or (height, width), whose
            token grid the position embedding is stored for. Other sizes
            resample it at run time; a checkpoint of another size is
            resampled when it is loaded.
        in_channels: Channels of the image.
        dw_kernel: Side of the depthwise kernels (5; 3, 7, 9 in Table 5), odd,
            one number or one for each dimension.
        masked_conv: Hide masked cells from the depthwise convolutions; off
            only for the ablation of Table 5.
        drop_path_rate: Rate of the last block, linear from 0 at the first.
        stem_eps: LayerNorm epsilon of the stems.
        conv_eps: LayerNorm epsilon of the convolution blocks.
        attn_eps: LayerNorm epsilon of the transformer blocks.
        pos: Kind of position embedding: '2d_sincos', '1d_sincos' or 'learned'
            (:func:`~projects.common.pos_embed.make_pos_embed`).
        pos_trainable: Train the position embedding.
        window_size: Side in tokens of the windows in which transformer
            blocks attend; 0 for global attention everywhere. The grid is
            filled up with zeros to whole windows, as in ViTDet.
        shift_windows: Shift every other windowed block by half a window, the
            paper's section 2.3; the released detectors do not.
        global_blocks: Transformer blocks that attend globally all the same.
        rel_pos: Relative positions in the scores: None, 'shared' (one table
            for all windowed and one for all global blocks, Swin's),
            'per_block' (a table for each block, BEiT's) or 'decomposed'
            (rows and columns for each block, ViTDet's).
        rel_pos_size: Image size in pixels whose grid the relative positions
            of global blocks are stored for; ``img_size`` by default. On
            others they are resampled, as ``img_size`` describes.
        layer_scale: Initial factor on the branches of the transformer
            blocks; None for no factors.
        out_indices: Feature maps that ``forward`` returns: 0, 1, 2 are the
            stages (strides 4, 8, 16), 3 is made of stage 3 by ``down4``.
        down4: How stage 3 becomes the map of stride 32: 'maxpool' (2x2) or
            'conv' (:class:`ConvDown`).
        norm_cfg: Norm of that convolution.
        frozen_stages: Freeze the first so many stages; 3 freezes the whole
            backbone; 0 freezes nothing.
        with_cp: Hold less for the backward pass and compute again what is
            cheap: stems, norms, depthwise convolutions and the first halves
            of MLPs, but no attention.
        init_cfg: ``dict(type='Pretrained', checkpoint=..., prefix=...)``.

    Raises:
        ValueError: If a name is unknown, a size is no multiple of 16, a
            kernel has even sides, or ``global_blocks`` are not among the
            blocks.
    """

    STRIDES: tuple[Grid, ...] = ((4, 4), (2, 2), (2, 2))
    INPUT, UNITS = 'image', 'pixels'  # for messages

    def __init__(self,
                 arch: str | dict = 'base',
                 img_size: int | Grid = 224,
                 in_channels: int = 3,
                 dw_kernel: int | Grid = 5,
                 masked_conv: bool = True,
                 drop_path_rate: float = 0.,
                 stem_eps: float = 1e-5,
                 conv_eps: float = 1e-5,
                 attn_eps: float = 1e-6,
                 pos: str = '2d_sincos',
                 pos_trainable: bool = True,
                 window_size: int = 0,
                 shift_windows: bool = False,
                 global_blocks: tuple[int, ...] = (),
                 rel_pos: str | None = None,
                 rel_pos_size: int | Grid | None = None,
                 layer_scale: float | None = None,
                 out_indices: tuple[int, ...] = (2, ),
                 down4: str = 'maxpool',
                 norm_cfg: dict = dict(type='SyncBN'),
                 frozen_stages: int = 0,
                 with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        arch = parse_arch(arch)
        self.channels = tuple(arch['channels'])
        self.depths = tuple(arch['depths'])
        self.masked_conv = masked_conv
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.with_cp = with_cp
        kernel = self._kernel(dw_kernel)
        self.grid = self._stored_grid(img_size, 'img_size')
        self._set_attention(window_size, shift_windows, global_blocks, rel_pos,
                            rel_pos_size or img_size)

        rates = iter(np.linspace(0, drop_path_rate, sum(self.depths)).tolist())
        stages = []
        for index, stride in enumerate(self.STRIDES):
            channels, ratio = self.channels[index], arch['mlp_ratios'][index]
            embed = PatchEmbed(in_channels, channels, stride, stem_eps)
            if index < 2:
                blocks = [
                    ConvBlock(channels, kernel, ratio, next(rates), conv_eps,
                              with_cp) for _ in range(self.depths[index])
                ]
                stages.append(Stage(embed, blocks))
            else:
                blocks = [
                    TransformerBlock(channels, arch['num_heads'], ratio,
                                     next(rates), attn_eps, layer_scale,
                                     self._attention(block), with_cp)
                    for block in range(self.depths[index])
                ]
                stages.append(
                    Stage(embed, blocks, nn.Linear(channels, channels)))
            in_channels = channels
        self.stages = nn.ModuleList(stages)
        if pos == 'learned' and not pos_trainable:
            raise ValueError("pos is 'learned' and pos_trainable is False: "
                             'the position embedding would stay random')
        self.pos_embed = nn.Parameter(
            make_pos_embed(pos, self.channels[-1], self.grid),
            requires_grad=pos_trainable)
        resample_on_load(self, 'pos_embed', self.grid)
        if rel_pos == 'shared':
            self._share_tables(arch['num_heads'])
        if 3 in self.out_indices:
            self.down4 = self._make_down4(down4, norm_cfg)
        self._freeze()

    def _set_attention(self, window_size: int, shift_windows: bool,
                       global_blocks: tuple[int, ...], rel_pos: str | None,
                       rel_pos_size: int | Grid) -> None:
        """Check where the transformer blocks attend, and remember it."""
        depth = self.depths[-1]
        unknown = [block for block in global_blocks
                   if not 0 <= block < depth]  # yapf: disable
        if unknown:
            raise ValueError(
                f'global_blocks names {unknown}; stage 3 has the blocks 0 to '
                f'{depth - 1}')
        if window_size < 0:
            raise ValueError(f'window_size is {window_size}; it is a side in '
                             'tokens, or 0 for no windows')
        if not window_size and (global_blocks or shift_windows):
            raise ValueError('global_blocks and shift_windows tell windowed '
                             'blocks apart; they need a window_size')
        if rel_pos not in REL_POS:
            raise ValueError(f'rel_pos is {rel_pos!r}; choose from '
                             f'{list(REL_POS)}')
        if (window_size or rel_pos) and len(self.grid) != 2:
            raise ValueError('window_size and rel_pos are for images; '
                             f'{type(self).__name__} has {len(self.grid)} '
                             'dimensions')
        self.window = (window_size, window_size)
        self.windowed = [
            index for index in range(depth)
            if window_size and index not in global_blocks
        ]
        self.shifted = self.windowed[1::2] if shift_windows else []
        self.rel_pos = rel_pos
        self.rel_pos_grid = self._stored_grid(rel_pos_size, 'rel_pos_size')

    def _attention(self, block: int) -> Callable[[int, int], Attention]:
        """What makes the attention of a transformer block."""
        if self.rel_pos in (None, 'shared'):
            return Attention
        span = self.window if block in self.windowed else self.rel_pos_grid
        return partial(REL_POS[self.rel_pos], span=span)

    def _share_tables(self, num_heads: int) -> None:
        """Tables for the kinds of blocks that there are."""
        if self.windowed:
            self.window_rel_pos = SharedTable(self.window, num_heads)
        if len(self.windowed) < self.depths[-1]:
            self.global_rel_pos = SharedTable(self.rel_pos_grid, num_heads)

    def _make_down4(self, kind: str, norm_cfg: dict) -> nn.Module:
        """Stride 16 to stride 32."""
        if kind == 'maxpool':
            return nn.MaxPool2d(2)
        if kind == 'conv':
            return ConvDown(self.channels[-1], norm_cfg)
        raise ValueError(f"down4 is {kind!r}; choose 'maxpool' or 'conv'")

    def _kernel(self, dw_kernel: int | Grid) -> Grid:
        """Side of the depthwise kernels along each dimension."""
        dims = len(self.STRIDES[0])
        kernel = (dw_kernel, ) * dims if isinstance(dw_kernel, int) \
            else tuple(dw_kernel)
        if len(kernel) != dims or any(side % 2 == 0 for side in kernel):
            raise ValueError(f'dw_kernel is {dw_kernel}; expected an odd '
                             f'number or {dims} of them')
        return kernel

    def _stored_grid(self, size: int | Grid, name: str) -> Grid:
        """Token grid of an image size in the configuration."""
        if isinstance(size, int):
            size = (size, ) * len(self.STRIDES[0])
        return self._grid_of(tuple(size), name)

    def _grid_of(self, size: Grid, name: str) -> Grid:
        """Token grid of an image size."""
        patch = tuple(map(math.prod, zip(*self.STRIDES)))
        return block_grid(size, patch, name, self.UNITS)

    def token_grid(self, x_NCX: Tensor) -> Grid:
        """Transformer tokens along each side of a batch of images.

        Raises:
            ValueError: If a side is not a multiple of the token's size, or
                the input has another number of dimensions.
        """
        size = tuple(x_NCX.shape[2:])
        if len(size) != len(self.grid):
            raise ValueError(
                f'the input has shape {tuple(x_NCX.shape)}; '
                f'{type(self).__name__} takes a batch of {self.INPUT}s, of '
                f'{len(self.grid) + 2} dimensions')
        return self._grid_of(size, f'input {self.INPUT}')

    def _init_from_scratch(self) -> None:
        """Linear layers and the last stem Xavier-uniform, as in MAE.

        What stood for convolutions in the reference (stems 1 and 2, and the
        1x1 and depthwise convolutions) keeps PyTorch's default.
        """
        last = self.stages[-1]
        for module in last.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        stem = last.patch_embed.projection.weight
        nn.init.xavier_uniform_(stem.view(len(stem), -1))

    def _frozen(self) -> list[nn.Module]:
        """Modules that do not learn."""
        if self.frozen_stages == len(self.stages):
            return list(self.children())
        return list(self.stages[:self.frozen_stages])

    def _freeze(self) -> None:
        for module in self._frozen():
            module.requires_grad_(False)
        if self.frozen_stages == len(self.stages):
            self.pos_embed.requires_grad_(False)

    def train(self, mode: bool = True) -> 'ConvViT':
        """Switch to training mode; frozen stages stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def _stem(self, index: int, x_NCX: Tensor) -> Tensor:
        """All cells (N, L, C) of a stage from the finer map, or the image."""

        def embed(x_NCX: Tensor) -> Tensor:
            blocks = nest(x_NCX, [self.STRIDES[index]])
            return self.stages[index].patch_embed(blocks)

        return run(embed, x_NCX, with_cp=self.with_cp)

    def _tokens(self, x_NCX: Tensor, grid: Grid) -> Tensor:
        """All stage-3 tokens before masking, position embedding added."""
        x_NLC = self.stages[-1].token_proj(self._stem(-1, x_NCX))
        return x_NLC + self._pos(grid)

    def _pos(self, grid: Grid) -> Tensor:
        return resample_pos_embed(self.pos_embed, self.grid, grid)

    def _finer(self, stage: int) -> list[Grid]:
        """Nested factors of a token's cells at ``stage``, coarse to fine."""
        return list(reversed(self.STRIDES[stage + 1:]))

    def _stage_grid(self, grid: Grid, stage: int) -> Grid:
        """Cells of ``stage`` along each side."""
        return tuple(map(math.prod, zip(grid, *self._finer(stage))))

    def embed(self,
              x_NCX: Tensor,
              visible: list[Tensor] | None = None,
              shown_BN1: Tensor | None = None) -> list[Tensor]:
        """The two convolution stages, computed densely.

        Args:
            x_NCX: Images.
            visible: For each convolution stage, (N, cells, 1) in raster
                order, 1 where the depthwise convolution may look.
            shown_BN1: Stage-1 cells, 1 where shown; the others are set to
                zero before and after the blocks, so nothing is left of them.

        Returns:
            Maps of the two stages, (N, C, X) in channels-last memory.
        """
        grid = self.token_grid(x_NCX)
        maps = []
        for index, stage in enumerate(self.stages[:-1]):
            layout = CellLayout(
                self._stage_grid(grid, index),
                visible_BN1=None if visible is None else visible[index])
            x_BNC = self._stem(index, x_NCX)
            if index == 0 and shown_BN1 is not None:
                x_BNC = x_BNC * shown_BN1
            for block in stage.blocks:
                x_BNC = block(x_BNC, layout)
            if index == 0 and shown_BN1 is not None:
                x_BNC = x_BNC * shown_BN1
            x_NCX = x_BNC.unflatten(1, layout.grid).movedim(-1, 1)
            maps.append(x_NCX)
        return maps

    def forward(self, x_NCX: Tensor) -> tuple[Tensor, ...]:
        """Feature maps (N, C_i, X / stride_i) chosen by ``out_indices``."""
        grid = self.token_grid(x_NCX)
        maps = self.embed(x_NCX)
        x_NLC = self._tokens(maps[-1], grid)
        for block, windows, bias in self._attending_blocks(grid):
            x_NLC = block(x_NLC, windows, bias)
        maps.append(x_NLC.transpose(1, 2).unflatten(2, grid))
        if 3 in self.out_indices:
            maps.append(self.down4(maps[-1]))
        return tuple(maps[index] for index in self.out_indices)

    def _attending_blocks(
        self, grid: Grid
    ) -> Iterator[tuple[TransformerBlock, Windows | None, Bias | None]]:
        """Transformer blocks, where each attends, and shared positions."""
        blocks = self.stages[-1].blocks
        if not self.windowed and self.rel_pos is None:
            yield from ((block, None, None) for block in blocks)
            return
        tables = {}  # made once for all blocks
        if self.rel_pos == 'shared':
            for size, table in ((self.window, 'window_rel_pos'),
                                (grid, 'global_rel_pos')):
                if hasattr(self, table):
                    tables[table] = getattr(self, table)(size)
        for index, block in enumerate(blocks):
            if index in self.windowed:
                shift = self.window[0] // 2 if index in self.shifted else 0
                windows = Windows(grid, self.window, shift)
                yield block, windows, tables.get('window_rel_pos')
            else:
                windows = Windows(grid, grid)
                yield block, windows, tables.get('global_rel_pos')

    def encode(self, x_NCX: Tensor,
               mask: TokenMask) -> tuple[Tensor, list[Tensor]]:
        """Encode what a mask leaves visible.

        A mask on the token grid is block-wise masking: only visible blocks
        are computed, which is exact because with masked convolution nothing
        flows out of a hidden block. A mask on the finer grid of stage 1 is
        the input-token masking of Table 5.

        Args:
            x_NCX: Images.
            mask: Mask of V * N rows.

        Returns:
            Tokens (B, K, C) before any final norm, and for each convolution
            stage the features (B, K, P, C) of the same tokens' cells.

        Raises:
            ValueError: If the mask is on a grid that is neither, or the
                blocks attend in windows or by relative positions.
        """
        if self.windowed or self.rel_pos:
            raise ValueError(
                'masked encoding has neither windows nor relative positions: '
                'leave window_size and rel_pos out when pretraining')
        grid = self.token_grid(x_NCX)
        if mask.grid == self._stage_grid(grid, 0):
            tokens, cells = self._encode_all_tokens(x_NCX, mask, grid)
        elif mask.grid != grid:
            raise ValueError(
                f'the mask is on a {mask.grid} grid; a {tuple(x_NCX.shape)} '
                f'input has {grid} tokens and {self._stage_grid(grid, 0)} '
                'stage-1 cells')
        elif self.masked_conv:
            tokens, cells = self._encode_visible_blocks(x_NCX, mask, grid)
        else:
            tokens, cells = self._encode_then_mask(x_NCX, mask, grid)
        for block in self.stages[-1].blocks:
            tokens = block(tokens)
        return tokens, cells

    def _encode_visible_blocks(self, x_NCX: Tensor, mask: TokenMask,
                               grid: Grid) -> tuple[Tensor, list[Tensor]]:
        """Everything up to the transformer, on visible blocks only."""
        factors = list(reversed(self.STRIDES))
        x_BNC = mask.take(nest(x_NCX, factors)).flatten(1, 2)
        num_visible = mask.keep_BK.shape[1]
        features = []
        for index, stage in enumerate(self.stages[:-1]):
            finer = self._finer(index)
            layout = CellLayout(
                self._stage_grid(grid, index),
                mask.cells(finer),
                block=mask.block(finer))
            patch = math.prod(self.STRIDES[index])
            x_BNC = stage.patch_embed(x_BNC.unflatten(1, (-1, patch)))
            for conv_block in stage.blocks:
                x_BNC = conv_block(x_BNC, layout)
            features.append(x_BNC.unflatten(1, (num_visible, -1)))
        last = self.stages[-1]
        tokens_BKC = last.token_proj(last.patch_embed(features[-1]))
        pos_BKC = mask.take(self._pos(grid))
        return tokens_BKC + pos_BKC, features

    def _encode_then_mask(self, x_NCX: Tensor, mask: TokenMask,
                          grid: Grid) -> tuple[Tensor, list[Tensor]]:
        """Ablation: convolutions see hidden pixels, then tokens are masked."""
        maps = self.embed(x_NCX)
        cells = [
            mask.take(nest(x, self._finer(index)))
            for index, x in enumerate(maps)
        ]
        tokens = self._tokens(maps[-1], grid)
        return mask.take(tokens), cells

    def _encode_all_tokens(self, x_NCX: Tensor, mask: TokenMask,
                           grid: Grid) -> tuple[Tensor, list[Tensor]]:
        """Ablation: hide single stage-1 cells, so every token is encoded."""
        shown_BCX = mask.visible_map((1, ) * len(grid)).to(x_NCX.dtype)
        shown_BN1 = shown_BCX.flatten(2).transpose(1, 2)
        coarse_BN1 = nest(shown_BCX, [self.STRIDES[1]]).amax(dim=2)
        visible = [shown_BN1, coarse_BN1] if self.masked_conv else None
        maps = self.embed(x_NCX, visible, shown_BN1)
        cells = [nest(x, self._finer(i)) for i, x in enumerate(maps)]
        return self._tokens(maps[-1], grid), cells

    def get_layer_depth(self,
                        param_name: str,
                        prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter for layer-wise decay, and the number of depths.

        Stems, position embedding and both convolution stages are depth 0,
        transformer block i with all that it owns is depth i + 1. Everything
        outside is last, and so are tables of relative positions that blocks
        share, as in BEiT, and the convolution of the stride-32 map.
        """
        num_depths = self.depths[-1] + 2
        name = param_name.removeprefix(prefix)
        last = ('window_rel_pos.', 'global_rel_pos.', 'down4.')
        if not param_name.startswith(prefix) or name.startswith(last):
            return num_depths - 1, num_depths
        block = re.match(r'stages\.2\.blocks\.(\d+)\.', name)
        return (int(block[1]) + 1 if block else 0), num_depths
