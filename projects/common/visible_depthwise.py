"""Masked depthwise convolution that computes visible blocks only.

Visible cells come in blocks: those of a token, or of a tube of tokens. A
block is gathered with the border that the kernel reaches, zero where a cell
is hidden or outside, and convolved without padding; so hidden cells cost
nothing. With y[p] = b + sum_t w[t] x[p + t] over visible cells p,

    dx[p] = sum_t w[t] dy[p - t]    the same, of dy with the kernel reversed,
    dw[t] = sum_p dy[p] x[p + t]    a product of shifted blocks for each t.

Shapes: B batch, N visible cells, C channels, M visible blocks of the batch,
H cells of a block with its border, P without, S sides of a block with its
border, T the kernel's.
"""
import itertools
import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .depthwise import CONV
from .grid import Grid


class Blocks(NamedTuple):
    """Visible blocks with their border.

    Attributes:
        rows_MH: Row of each cell in the flattened cells (B * N, C); B * N
            where a cell is hidden or outside the grid.
        block: Sides of a block, its border apart.
        reach: Width of the border along each side.
    """
    rows_MH: Tensor
    block: Grid
    reach: Grid

    def gather(self, x_BNC: Tensor) -> Tensor:
        """Maps (M, C, S) in channels-last memory, zero where hidden."""
        channels = x_BNC.shape[-1]
        rows = torch.cat([x_BNC.flatten(0, 1), x_BNC.new_zeros(1, channels)])
        maps = rows.index_select(0, self.rows_MH.flatten())
        sides = (n + 2 * r for n, r in zip(self.block, self.reach))
        return maps.view(-1, *sides, channels).movedim(-1, 1)

    def scatter(self, y_MCX: Tensor, shape: torch.Size) -> Tensor:
        """Cells (B, N, C) of the maps of all blocks, without borders."""
        sides = [n + 2 * r for n, r in zip(self.block, self.reach)]
        rows_MX = self.rows_MH.view(-1, *sides)[self._inside(
            range(1,
                  len(sides) + 1))]
        cells = y_MCX.movedim(1, -1).flatten(0, -2)
        out = y_MCX.new_empty(shape).flatten(0, 1)
        return out.index_copy_(0, rows_MX.flatten(), cells).view(shape)

    def cut(self, maps_MCS: Tensor) -> Tensor:
        """Maps without their border."""
        return maps_MCS[self._inside(range(2, maps_MCS.ndim))]

    def _inside(self, dims: range) -> tuple[slice, ...]:
        inside = [slice(None)] * dims.start
        return (*inside, *(slice(r, r + n)
                           for n, r in zip(self.block, self.reach)))


def find_blocks(index_BN: Tensor, grid: Grid, block: Grid,
                kernel: Grid) -> Blocks:
    """Gather what the visible blocks of a batch see.

    Args:
        index_BN: Raster positions of the visible cells, which fill aligned
            blocks.
        grid: Cells along each side.
        block: Sides of a block.
        kernel: Sides of the kernel, odd.
    """
    reach = tuple(side // 2 for side in kernel)
    hidden = index_BN.numel()
    rows_BL = index_BN.new_full((len(index_BN), math.prod(grid)), hidden)
    rows = torch.arange(hidden, device=index_BN.device).view_as(index_BN)
    rows_BX = rows_BL.scatter_(1, index_BN, rows).unflatten(1, grid)
    border = [r for r in reversed(reach) for _ in range(2)]
    windows = F.pad(rows_BX, border, value=hidden)
    for dim, (side, r) in enumerate(zip(block, reach)):
        windows = windows.unfold(1 + dim, side + 2 * r, side)
    windows_BLH = windows.flatten(1, len(grid)).flatten(2)
    # a block is visible where its first cell is; hidden ones sort last
    first = slice(None), *(slice(None, None, side) for side in block)
    number = index_BN.shape[1] // math.prod(block)
    shown_BK = rows_BX[first].flatten(1).argsort(1)[:, :number]
    shown_BKH = shown_BK[..., None].expand(-1, -1, windows_BLH.shape[-1])
    return Blocks(windows_BLH.gather(1, shown_BKH).flatten(0, 1), block, reach)


def weight_gradient(maps_MCS: Tensor, grad_MCX: Tensor,
                    kernel: Grid) -> Tensor:
    """sum_p dy[p] x[p + t] for each place t of the kernel, (C, 1, T)."""
    maps, grad = maps_MCS.movedim(1, -1), grad_MCX.movedim(1, -1)
    sides = grad.shape[1:-1]
    product = torch.empty_like(grad)  # one for all: fresh memory is slow
    places = []
    for place in itertools.product(*map(range, kernel)):
        shift = slice(None), *(slice(t, t + n) for t, n in zip(place, sides))
        torch.mul(maps[shift], grad, out=product)
        places.append(product.flatten(0, -2).sum(0))
    return torch.stack(places, 1).unflatten(1, (1, *kernel))


class _VisibleDepthwise(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, x_BNC: Tensor, weight_C1T: Tensor, bias_C: Tensor,
                blocks: Blocks) -> Tensor:
        ctx.save_for_backward(x_BNC, weight_C1T, blocks.rows_MH)
        ctx.sides = blocks.block, blocks.reach
        return blocks.scatter(
            _convolve(blocks.gather(x_BNC), weight_C1T, bias_C), x_BNC.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BNC: Tensor) -> tuple[Tensor | None, ...]:
        x_BNC, weight_C1T, rows_MH = ctx.saved_tensors
        blocks = Blocks(rows_MH, *ctx.sides)
        kernel = tuple(weight_C1T.shape[2:])
        grad_MCS = blocks.gather(grad_BNC)
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            reverse = weight_C1T.flip(tuple(range(2, weight_C1T.ndim)))
            grad_x = blocks.scatter(
                _convolve(grad_MCS, reverse, None), x_BNC.shape)
        if ctx.needs_input_grad[1]:
            grad_weight = weight_gradient(
                blocks.gather(x_BNC), blocks.cut(grad_MCS), kernel)
        if ctx.needs_input_grad[2]:
            grad_bias = grad_BNC.sum((0, 1))
        return grad_x, grad_weight, grad_bias, None


def _convolve(maps_MCS: Tensor, weight_C1T: Tensor,
              bias_C: Tensor | None) -> Tensor:
    convolve = CONV[maps_MCS.ndim - 2]
    return convolve(maps_MCS, weight_C1T, bias_C, groups=len(weight_C1T))


def visible_depthwise(conv: nn.Module, x_BNC: Tensor,
                      blocks: Blocks) -> Tensor:
    """A depthwise convolution of visible cells that sees no hidden ones.

    Args:
        conv: Depthwise convolution of odd kernel and stride 1 that leaves the
            size of a map, with bias.
        x_BNC: Visible cells (B, N, C).
        blocks: Where they lie, of :func:`find_blocks`.
    """
    return _VisibleDepthwise.apply(x_BNC, conv.weight, conv.bias, blocks)
