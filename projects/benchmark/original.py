"""The plain forms that the official implementations compute, as references.

Each replaces a part of a built model and takes its weights as they are, so a
model with and without it can run side by side.

- ``explicit-attention``: softmax(q k^T / sqrt(D) + bias) v by one product
  after another; relative positions are expanded for all pairs of tokens by an
  index, at each call. The softmax is held for backward.
- ``dense``: ConvMAE's convolution stages in (N, C, H, W), on all cells, with
  hidden ones set to zero before the depthwise convolutions; likewise the
  strided convolutions of its decoder; then visible tokens are picked.
- ``plain-mlp``: linear, GELU, linear, input and output of GELU held.
- ``original``: all of these, and no activation is computed twice.

Shapes: N images, B masked rows, L tokens, K visible ones, C channels, X the
spatial dimensions, M heads, D channels of a head.
"""
import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.common.attention import Attention
from projects.common.biased_attention import AxisBias, Bias, TableBias
from projects.common.blocks import ConvBlock, Mlp
from projects.common.depthwise import CONV
from projects.common.grid import Grid
from projects.common.masking import TokenMask
from projects.convmae.backbone import ConvViT
from projects.convmae.neck import MultiScaleDecoder

# --- attention ---


def offset_index(span: Grid, device: torch.device) -> list[Tensor]:
    """Offsets (N, N) from key to query along each side, from 0."""
    axes = (torch.arange(side, device=device) for side in span)
    grids = torch.meshgrid(*axes, indexing='ij')
    return [
        x.flatten()[:, None] - x.flatten()[None] + side - 1
        for x, side in zip(grids, span)
    ]


def expand(bias: Bias, span: Grid) -> Tensor:
    """A bias of all pairs, (M, N, N) or (B, M, N, N)."""
    if isinstance(bias, TableBias):
        rows, columns = offset_index(span, bias.table_MTS.device)
        table_TM = bias.table_MTS.flatten(1).t()
        return table_TM[rows * (2 * span[1] - 1) + columns].permute(2, 0, 1)
    assert isinstance(bias, AxisBias)
    # keys are stored from the last to the first
    rows_BMYXYX = bias.rows_BMYXY.flip(-1)[..., None]
    columns_BMYXYX = bias.columns_BMYXX.flip(-1)[..., None, :]
    return (rows_BMYXYX + columns_BMYXYX).flatten(4).flatten(2, 3)


def explicit_attention(q_BMND: Tensor,
                       k_BMND: Tensor,
                       v_BMND: Tensor,
                       span: Grid = (),
                       bias: Bias | None = None,
                       inside_BN: Tensor | None = None) -> Tensor:
    """What :meth:`Attention.attend` computes, all scores at once."""
    scores_BMNN = (q_BMND * q_BMND.shape[-1]**-0.5) @ k_BMND.mT
    if bias is not None:
        scores_BMNN = scores_BMNN + expand(bias, span)
    if inside_BN is not None:
        outside = ~inside_BN[:, None, None]
        scores_BMNN = scores_BMNN.masked_fill(outside, -math.inf)
    return scores_BMNN.softmax(-1) @ v_BMND


def use_explicit_attention(model: nn.Module) -> bool:
    """Replace attention; false if there is none."""
    found = [m for m in model.modules() if isinstance(m, Attention)]
    for module in found:
        setattr(module, 'attend', explicit_attention)
    return bool(found)


# --- multi-layer perceptron ---


def plain_mlp(mlp: Mlp,
              x_BNC: Tensor,
              factor_C: Tensor | None = None,
              keep: bool = True) -> Tensor:
    """What :class:`Mlp` computes, by separate operations."""
    x_BNC = mlp.fc2(F.gelu(mlp.fc1(x_BNC)))
    return x_BNC if factor_C is None else x_BNC * factor_C


def use_plain_mlp(model: nn.Module) -> bool:
    """Replace MLPs; false if there are none."""
    found = [m for m in model.modules() if isinstance(m, Mlp)]
    for module in found:
        setattr(module, 'forward', partial(plain_mlp, module))
    return bool(found)


# --- ConvMAE's convolution stages ---


def _norm(norm: nn.LayerNorm, x_BCX: Tensor) -> Tensor:
    return norm(x_BCX.movedim(1, -1)).movedim(-1, 1)


def _pointwise(linear: nn.Linear, x_BCX: Tensor) -> Tensor:
    """A linear layer as the 1x1 convolution that the official code has."""
    dims = x_BCX.ndim - 2
    weight = linear.weight.view(*linear.weight.shape, *[1] * dims)
    return CONV[dims](x_BCX, weight, linear.bias)


def conv_block(block: ConvBlock, x_BCX: Tensor,
               visible_B1X: Tensor | None) -> Tensor:
    """What :class:`ConvBlock` computes, on a map of all cells."""
    h_BCX = _pointwise(block.pw_conv1, _norm(block.ln1, x_BCX))
    if visible_B1X is not None:
        h_BCX = visible_B1X * h_BCX
    h_BCX = _pointwise(block.pw_conv2, block.dw_conv(h_BCX))
    x_BCX = x_BCX + block.drop_path(h_BCX)
    h_BCX = _pointwise(block.ffn.fc1, _norm(block.ln2, x_BCX))
    h_BCX = _pointwise(block.ffn.fc2, F.gelu(h_BCX))
    return x_BCX + block.drop_path(h_BCX)


def conv_stages(backbone: ConvViT,
                x_NCX: Tensor,
                mask: TokenMask | None = None) -> list[Tensor]:
    """Maps (N, C, X) of the convolution stages, all cells computed."""
    maps = []
    for index, stage in enumerate(backbone.stages[:-1]):
        embed = stage.patch_embed
        x_NCX = F.gelu(_norm(embed.norm, embed.projection(x_NCX)))
        visible = None
        if mask is not None:
            scale = tuple(map(math.prod, zip(*backbone._finer(index))))
            visible = mask.visible_map(scale).to(x_NCX.dtype)
        for block in stage.blocks:
            x_NCX = conv_block(block, x_NCX, visible)
        maps.append(x_NCX)
    return maps


def dense_encode(backbone: ConvViT, x_NCX: Tensor,
                 mask: TokenMask) -> tuple[Tensor, list[Tensor]]:
    """What :meth:`ConvViT.encode` computes; maps in place of visible cells."""
    views = len(mask.keep_BK) // len(x_NCX)
    x_BCX = x_NCX.repeat(views, *[1] * (x_NCX.ndim - 1))
    maps = conv_stages(backbone, x_BCX, mask)
    stage, grid = backbone.stages[-1], backbone.token_grid(x_NCX)
    embed = stage.patch_embed
    x_BCX = F.gelu(_norm(embed.norm, embed.projection(maps[-1])))
    x_BLC = stage.token_proj(x_BCX.flatten(2).mT)
    x_BKC = mask.take(x_BLC + backbone._pos(grid))
    for block in stage.blocks:
        x_BKC = block(x_BKC)
    return x_BKC, maps


def dense_decode(neck: MultiScaleDecoder, encoded: tuple[Tensor, list[Tensor]],
                 mask: TokenMask, grid: Grid) -> Tensor:
    """What :class:`MultiScaleDecoder` computes, from maps of all cells."""
    latent_BKC, maps = encoded
    for x_BCX, conv in zip(maps, neck.fuse_convs):
        latent_BKC = latent_BKC + mask.take(conv(x_BCX).flatten(2).mT)
    return neck.decode(neck.norm(latent_BKC), mask, grid)


def use_dense(model: nn.Module) -> bool:
    """Replace ConvMAE's convolution stages; false if there are none."""
    found = [m for m in model.modules() if isinstance(m, ConvViT)]
    for module in found:
        if not module.masked_conv:
            raise ValueError('dense: model.backbone.masked_conv=False is '
                             'computed on all cells as it is')
        setattr(module, 'encode', partial(dense_encode, module))
        setattr(module, 'embed', partial(conv_stages, module))
    for module in model.modules():
        if isinstance(module, MultiScaleDecoder):
            setattr(module, 'forward', partial(dense_decode, module))
    return bool(found)


# --- all together ---


def use_original(model: nn.Module) -> bool:
    """Everything as the official implementations compute it."""
    for module in model.modules():
        if getattr(module, 'with_cp', False):
            module.with_cp = False
    changes = [
        use_explicit_attention(model),
        use_plain_mlp(model),
        use_dense(model)
    ]
    return any(changes)


SWITCHES: dict[str, Callable[[nn.Module], bool]] = {
    'explicit-attention': use_explicit_attention,
    'dense': use_dense,
    'plain-mlp': use_plain_mlp,
    'original': use_original,
}


def switch(model: nn.Module, name: str) -> None:
    """Give a model one of the forms above.

    Raises:
        ValueError: If the model has nothing that the switch replaces.
    """
    if not SWITCHES[name](model):
        raise ValueError(f'--against {name}: the model has no part that this '
                         'replaces')
