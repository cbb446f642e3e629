"""Masks that somebody chose, patch by patch."""
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from projects.common.grid import Grid
from projects.common.masking import TokenMask


class ChosenTokenMasking:
    """Hides the given tokens; takes the place of a model's masking rule.

    Args:
        hidden: Raster positions of the hidden tokens.
        scale: They are on a grid so many times finer than the transformer's.
    """

    def __init__(self, hidden: Sequence[int], scale: int = 1) -> None:
        self.hidden = sorted(set(hidden))
        self.scale = scale

    def __call__(self,
                 batch_size: int,
                 grid: Grid,
                 device: torch.device | str = 'cpu',
                 valid_BL: Tensor | None = None,
                 noise_BL: Tensor | None = None) -> TokenMask:
        """The same mask for each image, see ``TokenMasking``; no lot is drawn.

        Raises:
            ValueError: If a position is outside of the grid, or all tokens or
                none are hidden.
        """
        grid = tuple(side * self.scale for side in grid)
        length = math.prod(grid)
        if not 0 < len(self.hidden) < length:
            raise ValueError(
                f'{len(self.hidden)} of the {length} patches are hidden; at '
                'least one must be hidden and one visible')
        if not 0 <= self.hidden[0] <= self.hidden[-1] < length:
            raise ValueError(
                f'hidden patches are {self.hidden[0]} to {self.hidden[-1]}; '
                f'there are only 0 to {length - 1}')
        visible_L = torch.ones(length, dtype=torch.bool, device=device)
        visible_L[self.hidden] = False
        keep_1K = visible_L.nonzero().T
        return TokenMask(keep_1K.expand(batch_size, -1), grid)
