"""Windows on a grid of tokens.

Shapes: B samples, L tokens of the grid, W windows of a sample, N tokens of a
window, C channels.
"""
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from .grid import Grid


@dataclass(frozen=True)
class Windows:
    """Windows that do not overlap and together cover a grid.

    What sticks out of the grid is zero. One window of the grid's own size is
    global attention.

    Attributes:
        grid: Rows and columns of the grid.
        size: Rows and columns of a window.
        shift: The first full window starts at this row and column.
    """
    grid: Grid
    size: Grid
    shift: int = 0

    def split(self, x_BLC: Tensor) -> Tensor:
        """Windows (B * W, N, C) of tokens (B, L, C)."""
        (top, bottom), (left, right) = self._padding
        x = x_BLC.unflatten(1, self.grid)
        if top or bottom or left or right:
            x = F.pad(x, (0, 0, left, right, top, bottom))
        height, width = self.size
        x = x.unflatten(2, (-1, width)).unflatten(1, (-1, height))
        return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)

    def merge(self, x_BNC: Tensor) -> Tensor:
        """Tokens (B, L, C) of windows (B * W, N, C): undoes :meth:`split`."""
        (top, bottom), (left, right) = self._padding
        padded = (self.grid[0] + top + bottom, self.grid[1] + left + right)
        down, across = padded[0] // self.size[0], padded[1] // self.size[1]
        x = x_BNC.unflatten(1, self.size).unflatten(0, (-1, down, across))
        x = x.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        x = x[:, top:top + self.grid[0], left:left + self.grid[1]]
        return x.flatten(1, 2)

    def inside(self, x_BLC: Tensor) -> Tensor | None:
        """Which tokens (B * W, N) may be attended to; None if all may.

        The windows of a shifted grid end at its border, as in Swin. Zeros
        that only fill up the last windows are attended to, as in ViTDet.
        """
        if not self.shift:
            return None
        return self.split(x_BLC.new_ones(*x_BLC.shape[:2], 1))[..., 0] > 0

    @property
    def _padding(self) -> list[tuple[int, int]]:
        """Rows before and after the grid, and columns."""
        padding = []
        for side, step in zip(self.grid, self.size):
            before = -self.shift % step
            padding.append((before, -(before + side) % step))
        return padding
