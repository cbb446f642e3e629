"""Pixel reconstruction: target and loss of masked autoencoders.

Shapes: N images or clips, X their spatial dimensions (H, W) or (T, H, W), B =
V * N rows (view-major), L patches, P values of a patch in (frame,) row,
column, channel order, S positions of a patch, C channels.
"""
import math
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from .grid import Grid, nest, unnest
from .masking import TokenMask


@MODELS.register_module()
class MaskedPixelHead(BaseModule):
    """Mean squared error on hidden pixels (MAE, section 3; ConvMAE, 1.7).

    The arithmetic runs in float32 whatever the autocast dtype is. Compared
    with mmpretrain's ``MAEPretrainHead`` it takes images and clips of any
    shape and masks that hide parts of a patch.

    Args:
        patch_size: Side of a patch in pixels, or (frames, height, width) of a
            cube.
        norm_pix: Normalise each patch: ``True`` or ``'joint'`` by mean and
            unbiased variance of all its values, (t - mean) / sqrt(var +
            1e-6), as MAE; ``'per_channel'`` for each channel alone, (t -
            mean) / (std + 1e-6), as VideoMAE; ``False`` not at all.
        pixel_mean: Mean of each channel that the data preprocessor took off,
            on the scale 0 to 1; the target is then on that scale, as
            VideoMAE's. None leaves the target in the units of the input.
        pixel_std: Likewise the standard deviations.

    Raises:
        ValueError: If ``norm_pix`` is unknown, or only one of ``pixel_mean``
            and ``pixel_std`` is given.
    """

    def __init__(self,
                 patch_size: int | Grid = 16,
                 norm_pix: bool | str = True,
                 pixel_mean: Sequence[float] | None = None,
                 pixel_std: Sequence[float] | None = None) -> None:
        super().__init__()
        if norm_pix not in (True, False, 'joint', 'per_channel'):
            raise ValueError(f"norm_pix is {norm_pix!r}; choose 'joint' "
                             "(True), 'per_channel' or False")
        if (pixel_mean is None) != (pixel_std is None):
            raise ValueError('pixel_mean and pixel_std go together; only one '
                             'is given')
        self.patch = (patch_size, patch_size) \
            if isinstance(patch_size, int) else tuple(patch_size)
        self.norm_pix = norm_pix
        self.has_units = pixel_mean is not None
        if pixel_mean is not None and pixel_std is not None:
            self.register_buffer('pixel_mean', torch.tensor(pixel_mean), False)
            self.register_buffer('pixel_std', torch.tensor(pixel_std), False)

    def patchify(self, x_NCX: Tensor) -> Tensor:
        """Patches (N, L, P) of images (N, C, X)."""
        return nest(x_NCX, [self.patch]).flatten(2)

    def unpatchify(self, x_NLP: Tensor, grid: Grid) -> Tensor:
        """Images (N, C, X) of patches (N, L, P) on ``grid``."""
        blocks = x_NLP.unflatten(2, (math.prod(self.patch), -1))
        return unnest(blocks, grid, [self.patch])

    def grid(self, x_NCX: Tensor) -> Grid:
        """Patches along each side of images (N, C, X)."""
        return tuple(size // side
                     for size, side in zip(x_NCX.shape[2:], self.patch))

    def target(self, x_NCX: Tensor) -> Tensor:
        """Reconstruction target (N, L, P), float32 or wider."""
        patches_NLSC = nest(x_NCX, [self.patch])
        if self.has_units:
            patches_NLSC = patches_NLSC * self.pixel_std + self.pixel_mean
        if self.norm_pix:
            mean, scale = self._statistics(patches_NLSC)
            patches_NLSC = (patches_NLSC - mean) / scale
        return patches_NLSC.flatten(2)

    def _statistics(self, patches_NLSC: Tensor) -> tuple[Tensor, Tensor]:
        """What a patch's values are centred and divided by."""
        dims = (2, ) if self.norm_pix == 'per_channel' else (2, 3)
        var, mean = torch.var_mean(patches_NLSC, dims, keepdim=True)
        if self.norm_pix == 'per_channel':
            return mean, var.sqrt() + 1e-6
        return mean, (var + 1e-6).sqrt()

    def to_pixels(self, pred_NLP: Tensor, x_NCX: Tensor) -> Tensor:
        """Predictions as images (N, C, X), in the units of ``x_NCX``.

        Normalised predictions get back the mean and variance of the true
        patch, which is how masked autoencoders are pictured. Several views of
        one image may be given with it.
        """
        patches_NLSC = nest(x_NCX, [self.patch])
        pred_NLSC = pred_NLP.unflatten(2, patches_NLSC.shape[2:])
        if self.norm_pix:
            if self.has_units:
                patches_NLSC = patches_NLSC * self.pixel_std + self.pixel_mean
            mean, scale = self._statistics(patches_NLSC)
            pred_NLSC = pred_NLSC * scale + mean
        if self.has_units:
            pred_NLSC = (pred_NLSC - self.pixel_mean) / self.pixel_std
        return unnest(pred_NLSC, self.grid(x_NCX), [self.patch])

    def hidden(self, x_NCX: Tensor, mask: TokenMask) -> Tensor:
        """Weights, 1 where a value was hidden; broadcast to (B, L, P)."""
        if mask.grid == self.grid(x_NCX):
            return mask.removed_BL[..., None]
        scale = tuple(size // side
                      for size, side in zip(x_NCX.shape[2:], mask.grid))
        hidden_B1X = 1 - mask.visible_map(scale)
        return self.patchify(
            hidden_B1X.expand(-1, x_NCX.shape[1], *x_NCX.shape[2:]))

    def loss(self, pred_BLP: Tensor, x_NCX: Tensor, mask: TokenMask) -> Tensor:
        """Mean squared error over all hidden values of the batch.

        Args:
            pred_BLP: Predicted patches.
            x_NCX: The images that were masked.
            mask: What the encoder saw.

        Returns:
            Scalar tensor.
        """
        with torch.autocast(pred_BLP.device.type, enabled=False):
            pred = pred_BLP if pred_BLP.dtype == torch.float64 \
                else pred_BLP.float()
            target = self.target(x_NCX.to(pred.dtype))
            target = target.repeat(len(pred) // len(target), 1, 1)
            hidden = self.hidden(x_NCX, mask).to(pred.dtype)
            error = (pred - target).square() * hidden
            return error.sum() / hidden.expand_as(error).sum()
