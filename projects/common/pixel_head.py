"""Pixel reconstruction: target and loss of masked autoencoders.

Shapes: N images, B = V * N rows (view-major), L patches, P values of a patch
in (row, column, channel) order.
"""
import torch
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from .grid import nest, unnest
from .masking import TokenMask


@MODELS.register_module()
class MaskedPixelHead(BaseModule):
    """Mean squared error on hidden pixels (MAE, section 3; ConvMAE, 1.7).

    The arithmetic runs in float32 whatever the autocast dtype is. Compared
    with mmpretrain's ``MAEPretrainHead`` it takes images of any shape and
    masks that hide parts of a patch.

    Args:
        patch_size: Side of a patch in pixels.
        norm_pix: Normalise each patch by its own mean and unbiased variance.
    """

    def __init__(self, patch_size: int = 16, norm_pix: bool = True) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.norm_pix = norm_pix

    def patchify(self, x_NCHW: Tensor) -> Tensor:
        """Patches (N, L, P) of images (N, C, H, W)."""
        side = self.patch_size
        return nest(x_NCHW, [(side, side)]).flatten(2)

    def unpatchify(self, x_NLP: Tensor, grid: tuple[int, int]) -> Tensor:
        """Images (N, C, H, W) of patches (N, L, P) on ``grid``."""
        side = self.patch_size
        blocks = x_NLP.unflatten(2, (side * side, -1))
        return unnest(blocks, grid, [(side, side)])

    def target(self, x_NCHW: Tensor) -> Tensor:
        """Reconstruction target (N, L, P), float32 or wider."""
        target = self.patchify(x_NCHW)
        if not self.norm_pix:
            return target
        mean = target.mean(dim=-1, keepdim=True)
        var = target.var(dim=-1, keepdim=True)
        return (target - mean) / (var + 1e-6).sqrt()

    def to_pixels(self, pred_NLP: Tensor, x_NCHW: Tensor) -> Tensor:
        """Predictions as images (N, C, H, W), in the units of ``x_NCHW``.

        Normalised predictions get back the mean and variance of the true
        patch, which is how masked autoencoders are pictured.
        """
        if self.norm_pix:
            patches = self.patchify(x_NCHW)
            var = patches.var(dim=-1, keepdim=True)
            mean = patches.mean(dim=-1, keepdim=True)
            pred_NLP = pred_NLP * (var + 1e-6).sqrt() + mean
        side = self.patch_size
        height, width = x_NCHW.shape[2:]
        return self.unpatchify(pred_NLP, (height // side, width // side))

    def hidden(self, x_NCHW: Tensor, mask: TokenMask) -> Tensor:
        """Weights, 1 where a value was hidden; broadcast to (B, L, P)."""
        height, width = x_NCHW.shape[2:]
        grid = (height // self.patch_size, width // self.patch_size)
        if mask.grid == grid:
            return mask.removed_BL[..., None]
        scale = (height // mask.grid[0], width // mask.grid[1])
        hidden_B1HW = 1 - mask.visible_map(scale)
        return self.patchify(hidden_B1HW.expand(-1, x_NCHW.shape[1], -1, -1))

    def loss(self, pred_BLP: Tensor, x_NCHW: Tensor,
             mask: TokenMask) -> Tensor:
        """Mean squared error over all hidden values of the batch.

        Args:
            pred_BLP: Predicted patches.
            x_NCHW: The images that were masked.
            mask: What the encoder saw.

        Returns:
            Scalar tensor.
        """
        with torch.autocast(pred_BLP.device.type, enabled=False):
            pred = pred_BLP if pred_BLP.dtype == torch.float64 \
                else pred_BLP.float()
            target = self.target(x_NCHW.to(pred.dtype))
            target = target.repeat(len(pred) // len(target), 1, 1)
            hidden = self.hidden(x_NCHW, mask).to(pred.dtype)
            error = (pred - target).square() * hidden
            return error.sum() / hidden.expand_as(error).sum()
