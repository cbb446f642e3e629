"""Token masks as values, and the ways of drawing them.

Shapes: N images, B = V * N rows (V masked views of each image, view-major:
row v * N + n is view v of image n), L tokens on the grid, K visible tokens.
"""
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.dist import get_dist_info
from mmengine.registry import MODELS
from torch import Tensor

from .grid import Grid, nest


@dataclass(frozen=True)
class TokenMask:
    """Which tokens of a grid an encoder may see.

    Attributes:
        keep_BK: Raster positions of the visible tokens, int64, in the order
            in which the encoder receives them.
        grid: Number of tokens along each spatial dimension; L is its product.
        unit: Sides of aligned blocks of tokens that are visible, or hidden,
            together; None for single tokens.
    """
    keep_BK: Tensor
    grid: Grid
    unit: Grid | None = None

    @property
    def num_tokens(self) -> int:
        """Number L of tokens on the grid."""
        return math.prod(self.grid)

    def take(self, x_NLX: Tensor) -> Tensor:
        """Visible tokens (B, K, *) of N images' tokens (N, L, *).

        With V views of each image, N is B / V.
        """
        num_images, num_tokens = x_NLX.shape[:2]
        views = self.keep_BK.shape[0] // num_images
        image_B = torch.arange(num_images, device=x_NLX.device).repeat(views)
        rows_BK = image_B[:, None] * num_tokens + self.keep_BK
        taken = x_NLX.flatten(0, 1).index_select(0, rows_BK.flatten())
        return taken.unflatten(0, self.keep_BK.shape)

    def put_back(self, x_BKC: Tensor, fill: Tensor) -> Tensor:
        """All tokens (B, L, C): ``x_BKC`` where visible, ``fill`` elsewhere.

        Args:
            x_BKC: Visible tokens, in the order of ``keep_BK``.
            fill: Broadcastable to (B, L, C), for example a mask token.
        """
        batch, _, channels = x_BKC.shape
        length = self.num_tokens
        full = fill.to(x_BKC.dtype).expand(batch, length, channels)
        offset_B1 = torch.arange(batch, device=x_BKC.device)[:, None] * length
        rows = (offset_B1 + self.keep_BK).flatten()
        full = full.flatten(0, 1).index_copy(0, rows, x_BKC.flatten(0, 1))
        return full.unflatten(0, (batch, length))

    @property
    def removed_BL(self) -> Tensor:
        """Float mask (B, L): 1 where a token is hidden, 0 where visible."""
        removed = torch.ones(
            self.keep_BK.shape[0], self.num_tokens, device=self.keep_BK.device)
        return removed.scatter_(1, self.keep_BK, 0.)

    def visible_map(self, scale: Grid) -> Tensor:
        """Float map (B, 1, *spatial), 1 where visible, ``scale`` times finer.

        Args:
            scale: Refinement along each spatial dimension.
        """
        visible = (1 - self.removed_BL).unflatten(1, self.grid)[:, None]
        for dim, factor in enumerate(scale):
            visible = visible.repeat_interleave(factor, dim=2 + dim)
        return visible

    def block(self, factors: Sequence[Grid]) -> Grid:
        """Sides of the blocks of finer cells that are visible together.

        Args:
            factors: As for :meth:`cells`.
        """
        unit = self.unit or tuple(1 for _ in self.grid)
        return tuple([math.prod(sides) for sides in zip(unit, *factors)])

    def cells(self, factors: Sequence[Grid]) -> Tensor:
        """Raster positions (B, K * P) of the visible tokens' finer cells.

        Args:
            factors: Subdivision of a token, coarse to fine, as in
                :func:`~projects.common.grid.nest`; cells come in that order.
        """
        fine = [math.prod(sides) for sides in zip(self.grid, *factors)]
        raster = torch.arange(math.prod(fine), device=self.keep_BK.device)
        table_LP = nest(raster.view(1, 1, *fine), factors)[0, ..., 0]
        return table_LP[self.keep_BK].flatten(1)


def rank_noise(batch_size: int,
               num_tokens: int,
               device: torch.device | str,
               valid_BL: Tensor | None = None,
               noise_BL: Tensor | None = None) -> Tensor:
    """Token positions (B, L) in random order, padding last.

    The noise is drawn for the whole global batch and each process takes its
    own rows, interleaved as the distributed samplers interleave samples. So
    N processes with one seed see the masks that one process would see.

    Args:
        batch_size: Number B of images on this process.
        num_tokens: Number L of tokens.
        device: Where to draw.
        valid_BL: True at tokens that belong to the image; others come last.
        noise_BL: Use this noise instead of drawing, lowest first.

    Returns:
        int64 tensor (B, L), a permutation of 0 .. L-1 in each row.
    """
    if noise_BL is None:
        rank, world_size = get_dist_info()
        noise_BL = torch.rand(
            batch_size * world_size, num_tokens, device=device)
        noise_BL = noise_BL[rank::world_size]
    if valid_BL is not None:
        noise_BL = noise_BL.masked_fill(~valid_BL, math.inf)
    # stable: padding keeps its raster order on every device
    return noise_BL.argsort(dim=1, stable=True)


class TokenMasking:
    """Base of the masking rules.

    Args:
        ratio: Share of the tokens that is hidden, in (0, 1).

    Raises:
        ValueError: If ``ratio`` is not inside (0, 1).
    """

    def __init__(self, ratio: float = 0.75) -> None:
        if not 0 < ratio < 1:
            raise ValueError(
                f'masking.ratio is {ratio}; it is the share of hidden tokens '
                'and must lie inside (0, 1)')
        self.ratio = ratio

    def num_keep(self, grid: Grid) -> int:
        """Number of visible tokens on ``grid``.

        Raises:
            ValueError: If no token stays visible, or none is hidden.
        """
        length = math.prod(grid)
        keep = self._count(length)
        if not 0 < keep < length:
            raise ValueError(
                f'masking.ratio {self.ratio} keeps {keep} of the {length} '
                f'tokens of a {"x".join(map(str, grid))} grid; at least one '
                'must be visible and one hidden: change the ratio or the '
                'image size')
        return keep

    def _count(self, length: int) -> int:
        """Visible tokens of ``length``; MAE rounds them down."""
        return int(length * (1 - self.ratio))

    def __call__(self,
                 batch_size: int,
                 grid: Grid,
                 device: torch.device | str = 'cpu',
                 valid_BL: Tensor | None = None,
                 noise_BL: Tensor | None = None) -> TokenMask:
        """Draw a mask for each of ``batch_size`` images.

        Args:
            batch_size: Number N of images.
            grid: Number of tokens along each spatial dimension.
            device: Where to draw.
            valid_BL: True at tokens inside the image; padding is kept last.
            noise_BL: Fixed noise (N, L) in place of a random draw.

        Returns:
            The mask, of V * N rows for rules that make V views.
        """
        raise NotImplementedError


@MODELS.register_module()
class RandomTokenMasking(TokenMasking):
    """Keep a uniformly random subset of the tokens (MAE, section 3).

    On the transformer's grid this is ConvMAE's block-wise masking (section
    2.2): a hidden token hides its block in the stages before.

    Args:
        ratio: Share of the tokens that is hidden, in (0, 1).
        scale: Draw on a grid this many times finer than the transformer's.
            4 is the input-token masking of ConvMAE's Table 5, in which every
            transformer token keeps some of its 4x4 stage-1 cells.
    """

    def __init__(self, ratio: float = 0.75, scale: int = 1) -> None:
        super().__init__(ratio)
        self.scale = scale

    def __call__(self,
                 batch_size: int,
                 grid: Grid,
                 device: torch.device | str = 'cpu',
                 valid_BL: Tensor | None = None,
                 noise_BL: Tensor | None = None) -> TokenMask:
        """See :meth:`TokenMasking.__call__`."""
        grid = tuple(side * self.scale for side in grid)
        keep = self.num_keep(grid)
        order_BL = rank_noise(batch_size, math.prod(grid), device, valid_BL,
                              noise_BL)
        return TokenMask(order_BL[:, :keep], grid)


@MODELS.register_module()
class DisjointTokenMasking(TokenMasking):
    """Several masks of an image whose visible tokens do not overlap.

    With ``num_masks * (1 - ratio) == 1`` the masks are complementary and
    together show the whole image (FastConvMAE); with fewer they are ExtreMA's
    disjoint extreme masks.

    Args:
        ratio: Share of the tokens that each mask hides, in (0, 1).
        num_masks: Number V of masks of an image.

    Raises:
        ValueError: If ``num_masks`` masks need more tokens than there are.
    """

    def __init__(self, ratio: float = 0.75, num_masks: int = 4) -> None:
        super().__init__(ratio)
        self.num_masks = num_masks

    def __call__(self,
                 batch_size: int,
                 grid: Grid,
                 device: torch.device | str = 'cpu',
                 valid_BL: Tensor | None = None,
                 noise_BL: Tensor | None = None) -> TokenMask:
        """See :meth:`TokenMasking.__call__`."""
        length, keep = math.prod(grid), self.num_keep(grid)
        if self.num_masks < 1 or self.num_masks * keep > length:
            raise ValueError(
                f'masking.num_masks is {self.num_masks}: that many disjoint '
                f'masks of {keep} visible tokens do not fit the {length} '
                f'tokens of a {"x".join(map(str, grid))} grid; expected 1 to '
                f'{length // keep}')
        order_BL = rank_noise(batch_size, length, device, valid_BL, noise_BL)
        groups = order_BL[:, :self.num_masks * keep].split(keep, dim=1)
        return TokenMask(torch.cat(groups), grid)


@MODELS.register_module()
class IndependentTokenMasking(TokenMasking):
    """Several masks of an image, each drawn for itself.

    Their visible tokens may overlap: ExtreMA's alternative to disjoint masks.

    Args:
        ratio: Share of the tokens that each mask hides, in (0, 1).
        num_masks: Number V of masks of an image.

    Raises:
        ValueError: If ``num_masks`` is below 1.
    """

    def __init__(self, ratio: float = 0.75, num_masks: int = 4) -> None:
        super().__init__(ratio)
        if num_masks < 1:
            raise ValueError(f'masking.num_masks is {num_masks}; expected 1 '
                             'or more')
        self.num_masks = num_masks

    def __call__(self,
                 batch_size: int,
                 grid: Grid,
                 device: torch.device | str = 'cpu',
                 valid_BL: Tensor | None = None,
                 noise_BL: Tensor | None = None) -> TokenMask:
        """See :meth:`TokenMasking.__call__`; fixed noise is (V * N, L)."""
        length, keep = math.prod(grid), self.num_keep(grid)
        noises: Sequence[Tensor | None] = [None] * self.num_masks
        if noise_BL is not None:
            noises = noise_BL.chunk(self.num_masks)
        masks = [
            rank_noise(batch_size, length, device, valid_BL, noise)[:, :keep]
            for noise in noises
        ]
        return TokenMask(torch.cat(masks), grid)


@MODELS.register_module()
class TubeTokenMasking(TokenMasking):
    """Hide the same positions in every frame (VideoMAE's tube masking).

    Args:
        ratio: Share of the positions of a frame that is hidden, in (0, 1).
    """

    def _count(self, length: int) -> int:
        """VideoMAE rounds the *hidden* positions of a frame down."""
        return length - int(self.ratio * length)

    def __call__(self,
                 batch_size: int,
                 grid: Grid,
                 device: torch.device | str = 'cpu',
                 valid_BL: Tensor | None = None,
                 noise_BL: Tensor | None = None) -> TokenMask:
        """See :meth:`TokenMasking.__call__`; ``grid`` is (T, H, W) and the
        noise and validity are those of one frame, (N, H * W)."""
        frames, *frame_grid = grid
        length = math.prod(frame_grid)
        keep = self.num_keep(tuple(frame_grid))
        order_BL = rank_noise(batch_size, length, device, valid_BL, noise_BL)
        offset_T = torch.arange(frames, device=order_BL.device) * length
        keep_BTK = offset_T[:, None] + order_BL[:, None, :keep]
        unit = (frames, *(1 for _ in frame_grid))
        return TokenMask(keep_BTK.flatten(1), grid, unit)
