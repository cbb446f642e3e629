"""Transformer and convolution blocks shared by the projects.

Shapes: B batch, N tokens or cells, C channels, X the spatial dimensions.
"""
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from .activation_checkpoint import run
from .attention import Attention
from .biased_attention import Bias
from .depthwise import depthwise, own_gradients
from .gelu_linear import gelu_linear
from .grid import Grid
from .visible_depthwise import find_blocks, visible_depthwise
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

    def forward(self,
                x_BNC: Tensor,
                factor_C: Tensor | None = None,
                keep: bool = True) -> Tensor:
        """Map (..., C) to (..., C).

        Args:
            x_BNC: Input.
            factor_C: Scales the channels of the output, if given.
            keep: Off where the caller computes all this again for the
                gradients; then GELU need not be computed a third time.
        """
        hidden = self.fc1(x_BNC)
        if keep:
            return gelu_linear(hidden, *scaled(self.fc2, factor_C))
        return F.linear(F.gelu(hidden), *scaled(self.fc2, factor_C))


def scaled(linear: nn.Linear,
           factor_C: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear layer with its output scaled.

    Scaling parameters instead of activations holds none for backward.
    """
    if factor_C is None:
        return linear.weight, linear.bias
    return linear.weight * factor_C[:, None], linear.bias * factor_C


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
        with_cp: Hold less for the backward pass: inputs of both branches,
            queries, keys, values and what they mix to. The rest is computed
            again, as far as it is cheap: attention and its projections not.
    """

    def __init__(self,
                 channels: int,
                 num_heads: int,
                 mlp_ratio: float = 4.,
                 drop_path: float = 0.,
                 eps: float = 1e-6,
                 layer_scale: float | None = None,
                 attention: Callable[[int, int], Attention] = Attention,
                 with_cp: bool = False) -> None:
        super().__init__()
        self.with_cp = with_cp
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
        cp = self.with_cp
        qkv_BNC = run(self._project, x_BNC, windows, with_cp=cp)
        if windows is None:
            h_BNC = self.attn.mix(qkv_BNC)
        else:
            inside_BN = windows.inside(x_BNC)
            h_BNC = self.attn.mix(qkv_BNC, windows.size, bias, inside_BN)
        h_BNC = run(self._project_back, h_BNC, windows, with_cp=cp)
        x_BNC = x_BNC + self.drop_path(h_BNC)
        return x_BNC + self.drop_path(run(self._feed, x_BNC, with_cp=cp))

    def _project(self, x_BNC: Tensor, windows: Windows | None) -> Tensor:
        """Queries, keys and values, in windows."""
        h_BNC = self.ln1(x_BNC)
        if windows is not None:
            h_BNC = windows.split(h_BNC)
        return self.attn.qkv(h_BNC)

    def _project_back(self, h_BNC: Tensor, windows: Windows | None) -> Tensor:
        """Out of the windows; projected, scaled."""
        h_BNC = F.linear(h_BNC, *scaled(self.attn.proj, self.gamma1))
        return h_BNC if windows is None else windows.merge(h_BNC)

    def _feed(self, x_BNC: Tensor) -> Tensor:
        return self.ffn(self.ln2(x_BNC), self.gamma2, not self.with_cp)


@dataclass(frozen=True)
class CellLayout:
    """Where the rows of x_BNC lie on a grid.

    Attributes:
        grid: Cells along each spatial dimension.
        index_BN: Raster position of each row, unique in a sample; None when
            the rows are all cells in raster order.
        visible_BN1: 1 where a row may be seen by its neighbours, 0 where
            not; None when all may.
        block: Sides of aligned blocks of cells that the rows fill; None if
            they may lie anywhere.
    """
    grid: Grid
    index_BN: Tensor | None = None
    visible_BN1: Tensor | None = None
    block: Grid | None = None

    def convolve(self, conv: nn.Module, x_BNC: Tensor) -> Tensor:
        """Rows (B, N, C) of a depthwise convolution on the grid."""
        if self.block is None or not own_gradients(x_BNC):
            return self.collect(depthwise(conv, self.spread(x_BNC)))
        assert self.index_BN is not None
        return visible_depthwise(
            conv, x_BNC,
            find_blocks(self.index_BN, self.grid, self.block,
                        conv.kernel_size))

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
        with_cp: Hold only the inputs of both branches for the backward pass
            and compute the rest again, but for the last projections.
    """

    def __init__(self,
                 channels: int,
                 kernel: Grid,
                 mlp_ratio: float = 4.,
                 drop_path: float = 0.,
                 eps: float = 1e-5,
                 with_cp: bool = False) -> None:
        super().__init__()
        self.with_cp = with_cp
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
        cp = self.with_cp
        h_BNC = run(self._convolve, x_BNC, layout, with_cp=cp)
        x_BNC = x_BNC + self.drop_path(h_BNC)
        return x_BNC + self.drop_path(run(self._feed, x_BNC, with_cp=cp))

    def _convolve(self, x_BNC: Tensor, layout: CellLayout) -> Tensor:
        h_BNC = self.pw_conv1(self.ln1(x_BNC))
        return self.pw_conv2(layout.convolve(self.dw_conv, h_BNC))

    def _feed(self, x_BNC: Tensor) -> Tensor:
        return self.ffn(self.ln2(x_BNC), keep=not self.with_cp)
