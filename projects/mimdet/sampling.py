"""Which tokens MIMDet's encoder sees (arXiv:2204.02964, section 2.1).

Shapes: B images, L tokens on the grid, K sampled tokens.
"""
from collections.abc import Sequence

import torch
from torch import Tensor

from projects.common.grid import Grid
from projects.common.masking import TokenMask, rank_noise

from .encoder import PATCH


def valid_tokens(sizes: Sequence[tuple[int, int]], grid: Grid,
                 device: torch.device | str) -> Tensor:
    """Boolean (B, L): True where a token shows at least a pixel of its image.

    Args:
        sizes: Height and width of each image in pixels, without padding.
        grid: Tokens along the height and width of the padded batch.
        device: Where the result is needed.
    """
    rows_B, columns_B = (-(-torch.tensor(sizes, device=device) // PATCH)).T
    row_H, column_W = (torch.arange(side, device=device) for side in grid)
    inside_BH = row_H < rows_B[:, None]
    inside_BW = column_W < columns_B[:, None]
    return (inside_BH[:, :, None] & inside_BW[:, None]).flatten(1)


def lattice_noise(kind: str, grid: Grid, device: torch.device | str) -> Tensor:
    """Noise (1, L) that ranks the tokens of a regular lattice first.

    The paper's grid sampling has "stride 2" and a ratio of 50 %, which does
    not say where the tokens lie; both readings are ours.

    Args:
        kind: ``'checkerboard'``, every second token with rows shifted
            against each other, or ``'column'``, every second column.
        grid: (H, W).
        device: Where the result is needed.
    """
    height, width = grid
    row_H1 = torch.arange(height, device=device)[:, None]
    column_W = torch.arange(width, device=device)
    shift_H1 = row_H1 if kind == 'checkerboard' else torch.zeros_like(row_H1)
    off_lattice_L = ((column_W + shift_H1) % 2).flatten()
    length = height * width
    raster_L = torch.arange(length, device=device) / length
    return (off_lattice_L + raster_L)[None]


class TokenSampling:
    """The sampling rule of a backbone, apart for training and testing.

    Args:
        ratio: Share of the tokens that is seen in training, in (0, 1].
        test_ratio: Share that is seen otherwise.
        kind: ``'random'``, or a kind of :func:`lattice_noise`.

    Raises:
        ValueError: If a ratio is not in (0, 1] or ``kind`` is unknown.
    """

    KINDS = ('random', 'checkerboard', 'column')

    def __init__(self, ratio: float, test_ratio: float, kind: str) -> None:
        for name, value in (('sample_ratio', ratio), ('test_sample_ratio',
                                                      test_ratio)):
            if not 0 < value <= 1:
                raise ValueError(
                    f'backbone.{name} is {value}; it is the share of tokens '
                    'that the encoder sees and must lie in (0, 1]')
        if kind not in self.KINDS:
            raise ValueError(f'backbone.sampling is {kind!r}; '
                             f'choose from {list(self.KINDS)}')
        self.ratio = ratio
        self.test_ratio = test_ratio
        self.kind = kind

    def num_keep(self, grid: Grid, training: bool) -> int:
        """Number K of sampled tokens, of the padded grid and rounded down.

        Raises:
            ValueError: If it is zero.
        """
        name, ratio = (('sample_ratio', self.ratio) if training else
                       ('test_sample_ratio', self.test_ratio))
        length = grid[0] * grid[1]
        keep = int(length * ratio)
        if keep == 0:
            raise ValueError(
                f'backbone.{name} {ratio} samples none of the {length} tokens '
                f'of a {grid[0]}x{grid[1]} grid; raise it or use larger '
                'images')
        return keep

    def __call__(self,
                 batch_size: int,
                 grid: Grid,
                 training: bool,
                 device: torch.device | str,
                 sizes: Sequence[tuple[int, int]] | None = None,
                 noise_BL: Tensor | None = None,
                 seed: int = 0) -> TokenMask:
        """Sample tokens of each image, those of the padding last.

        Outside of training the random order is that of ``seed``, the same for
        every image: results then depend neither on how images are batched
        nor on the number of processes (ours; the reference draws anew).

        Args:
            batch_size: Number B of images.
            grid: (H, W) of the padded batch.
            training: Which ratio applies.
            device: Where to draw.
            sizes: Height and width of each image in pixels without padding;
                None when there is no padding.
            noise_BL: Use this noise instead, lowest first.
            seed: Of the order outside of training.
        """
        length = grid[0] * grid[1]
        keep = self.num_keep(grid, training)
        if keep == length:
            raster_L = torch.arange(length, device=device)
            return TokenMask(raster_L.expand(batch_size, -1), grid)
        if noise_BL is None:
            noise_BL = self._noise(grid, training, device, seed)
        if noise_BL is not None:
            noise_BL = noise_BL.expand(batch_size, -1)
        valid_BL = None if sizes is None else valid_tokens(sizes, grid, device)
        order_BL = rank_noise(batch_size, length, device, valid_BL, noise_BL)
        return TokenMask(order_BL[:, :keep], grid)

    def _noise(self, grid: Grid, training: bool, device: torch.device | str,
               seed: int) -> Tensor | None:
        """Noise (1, L) for all images; None to draw for each."""
        if self.kind != 'random':
            return lattice_noise(self.kind, grid, device)
        if training:
            return None
        # drawn on the CPU, so that every device gets the same order
        generator = torch.Generator().manual_seed(seed)
        noise_1L = torch.rand(1, grid[0] * grid[1], generator=generator)
        return noise_1L.to(device)
