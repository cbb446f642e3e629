"""mmpretrain's MAE in the terms of this project's masked autoencoder.

Shapes: N images, L patches, K visible ones, P values of a patch, C channels.
"""
from functools import partial

import torch
from mmpretrain.models import MAE
from torch import Tensor, nn

from projects.common.masking import RandomTokenMasking, TokenMask
from projects.common.pixel_head import MaskedPixelHead


class DrawableMAE(nn.Module):
    """What is drawn of a masked autoencoder, made of mmpretrain's MAE.

    Args:
        mae: The model.
    """

    def __init__(self, mae: MAE) -> None:
        super().__init__()
        self.mae = mae
        self.masking = RandomTokenMasking(mae.backbone.mask_ratio)
        self.head = MaskedPixelHead(mae.head.patch_size, mae.head.norm_pix)
        self.data_preprocessor = mae.data_preprocessor

    def reconstruct(self, x_NCHW: Tensor) -> tuple[Tensor, TokenMask]:
        """Predicted patches (N, L, P) and the mask that was used.

        Raises:
            ValueError: If images have another size than the model's, or no
                token stays visible.
        """
        grid = tuple(self.mae.backbone.patch_resolution)
        side = self.head.patch[0]
        if tuple(x_NCHW.shape[2:]) != (grid[0] * side, grid[1] * side):
            raise ValueError(
                f'an image of {x_NCHW.shape[2]}x{x_NCHW.shape[3]} pixels; '
                f"mmpretrain's MAE takes {grid[0] * side}x{grid[1] * side} "
                'only: leave --keep-size out')
        mask = self.masking(len(x_NCHW), grid, x_NCHW.device)
        # in place of the backbone's own draw
        self.mae.backbone.random_masking = partial(_take_visible, mask)
        latent, _, restore_NL = self.mae.backbone(x_NCHW, mask=True)
        return self.mae.neck(latent, restore_NL), mask


def _take_visible(mask: TokenMask, x_NLC: Tensor,
                  ratio: float) -> tuple[Tensor, Tensor, Tensor]:
    """What ``MAEViT.random_masking`` returns, for a given mask."""
    hidden_NL = mask.removed_BL
    order_NL = hidden_NL.argsort(dim=1, stable=True)
    order_NL[:, :mask.keep_BK.shape[1]] = mask.keep_BK
    return mask.take(x_NLC), hidden_NL, torch.argsort(order_NL, dim=1)
