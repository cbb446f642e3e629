"""Transformer and convolution blocks shared by the projects.

Shapes: B batch, N tokens or cells, C channels, X the spatial dimensions.
"""
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from .attention import Attention
from .biased_attention import Bias
from .gelu_linear import gelu_linear
from .grid import Grid
from .windows import Windows

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class Mlp(nn.Module):
    """Linear, exact GELU, linear.

    Args:
        channels: Width of input and output.
        ratio: Hidden width over ``channels``.
    """

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, int(channels * ratio))
        self.fc2 = nn.Linear(int(channels * ratio), channels)

    def forward(self, x_BNC: Tensor) -> Tensor:
        """Map (..., C) to (..., C)."""
        return gelu_linear(self.fc1(x_BNC), self.fc2.weight, self.fc2.bias)


class TransformerBlock(nn.Module):
    """Pre-norm transformer block: x + attn(ln1(x)), then x + ffn(ln2(x)).

    Args:
        channels: Width C.
        num_heads: Number of attention heads.
        mlp_ratio: Hidden width of the MLP over ``channels``.
        drop_path: Probability of skipping a branch, per sample.
        eps: Epsilon of both LayerNorms.
        layer_scale: Initial value of a factor on each channel of both
            branches (CaiT, arXiv:2103.17239); None for no factors.
        attention: Makes the attention from width and number of heads.
    """

    def __init__(
            self,
            channels: int,
            num_heads: int,
            mlp_ratio: float = 4.,
            drop_path: float = 0.,
            eps: float = 1e-6,
            layer_scale: float | None = None,
            attention: Callable[[int, int], Attention] = Attention) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(channels, eps)
        self.attn = attention(channels, num_heads)
        self.ln2 = nn.LayerNorm(channels, eps)
        self.ffn = Mlp(channels, mlp_ratio)
        self.drop_path = DropPath(drop_path)
        for name in ('gamma1', 'gamma2'):
            factor_C = None if layer_scale is None else nn.Parameter(
                torch.full((channels, ), layer_scale))
            self.register_parameter(name, factor_C)

    def forward(self,
                x_BNC: Tensor,
                windows: Windows | None = None,
                bias: Bias | None = None) -> Tensor:
        """Map (B, N, C) to (B, N, C).

        Args:
            x_BNC: Tokens: all those of a grid, or any.
            windows: Where they attend to each other; without, everywhere.
            bias: Relative positions shared with other blocks.
        """
        h_BNC = self.ln1(x_BNC)
        if windows is None:
            h_BNC = self.attn(h_BNC)
        else:
            inside_BN = windows.inside(h_BNC)
            h_BNC = self.attn(
                windows.split(h_BNC), windows.size, bias, inside_BN)
            h_BNC = windows.merge(h_BNC)
        x_BNC = x_BNC + self.drop_path(_scale(h_BNC, self.gamma1))
        h_BNC = self.ffn(self.ln2(x_BNC))
        return x_BNC + self.drop_path(_scale(h_BNC, self.gamma2))


def _scale(x_BNC: Tensor, factor_C: Tensor | None) -> Tensor:
    return x_BNC if factor_C is None else x_BNC * factor_C


@dataclass(frozen=True)
class CellLayout:
    """Where the rows of x_BNC lie on a grid.

    Attributes:
        grid: Cells along each spatial dimension.
        index_BN: Raster position of each row, unique in a sample; None when
            the rows are all cells in raster order.
        visible_BN1: 1 where a row may be seen by its neighbours, 0 where
            not; None when all may.
    """
    grid: Grid
    index_BN: Tensor | None = None
    visible_BN1: Tensor | None = None

    def spread(self, x_BNC: Tensor) -> Tensor:
        """Map (B, C, X) in channels-last memory, zero where nothing lies."""
        batch, _, channels = x_BNC.shape
        if self.visible_BN1 is not None:
            x_BNC = x_BNC * self.visible_BN1.to(x_BNC.dtype)
        if self.index_BN is not None:
            canvas = x_BNC.new_zeros(batch * self.num_cells, channels)
            canvas.index_copy_(0, self._rows, x_BNC.flatten(0, 1))
            x_BNC = canvas.view(batch, self.num_cells, channels)
        return x_BNC.unflatten(1, self.grid).movedim(-1, 1)

    def collect(self, y_BCX: Tensor) -> Tensor:
        """Rows (B, N, C) of a map (B, C, X): undoes :meth:`spread`."""
        y_BNC = y_BCX.movedim(1, -1).flatten(1, -2)
        if self.index_BN is None:
            return y_BNC
        rows = y_BNC.flatten(0, 1).index_select(0, self._rows)
        return rows.unflatten(0, self.index_BN.shape)

    @property
    def num_cells(self) -> int:
        """Number of cells on the grid."""
        return math.prod(self.grid)

    @property
    def _rows(self) -> Tensor:
        """Row of each cell in the flattened batch, (B * N,)."""
        assert self.index_BN is not None
        samples_B1 = torch.arange(
            len(self.index_BN), device=self.index_BN.device)[:, None]
        return (samples_B1 * self.num_cells + self.index_BN).flatten()


class ConvBlock(nn.Module):
    """ConvMAE's convolution block (arXiv:2205.03892, section 2.2).

    x + pw_conv2(dw_conv(pw_conv1(ln1(x)))), then x + ffn(ln2(x)). Everything
    but the depthwise convolution is pointwise, so the block runs on whichever
    cells it is given; hidden cells are zero for the depthwise convolution and
    nothing flows from them into visible ones (the masked convolution).

    Args:
        channels: Width C.
        kernel: Side of the depthwise kernel along each spatial dimension.
        mlp_ratio: Hidden width of the MLP over ``channels``.
        drop_path: Probability of skipping a branch, per sample.
        eps: Epsilon of both LayerNorms.
    """

    def __init__(self,
                 channels: int,
                 kernel: Grid,
                 mlp_ratio: float = 4.,
                 drop_path: float = 0.,
                 eps: float = 1e-5) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(channels, eps)
        self.pw_conv1 = nn.Linear(channels, channels)
        self.dw_conv = CONV[len(kernel)](
            channels,
            channels,
            kernel,
            padding=tuple(side // 2 for side in kernel),
            groups=channels)
        self.pw_conv2 = nn.Linear(channels, channels)
        self.ln2 = nn.LayerNorm(channels, eps)
        self.ffn = Mlp(channels, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x_BNC: Tensor, layout: CellLayout) -> Tensor:
        """Map (B, N, C) to (B, N, C); ``layout`` places the rows."""
        h_BNC = layout.spread(self.pw_conv1(self.ln1(x_BNC)))
        h_BNC = self.pw_conv2(layout.collect(self.dw_conv(h_BNC)))
        x_BNC = x_BNC + self.drop_path(h_BNC)
        return x_BNC + self.drop_path(self.ffn(self.ln2(x_BNC)))
