"""mmpretrain's MAE in the terms of this project's masked autoencoder.

Shapes: N images, L patches, K visible ones, P values of a patch.
"""
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
        keep = self.masking.num_keep(grid)
        self.mae.backbone.mask_ratio = self.masking.ratio
        latent, hidden_NL, restore_NL = self.mae.backbone(x_NCHW, mask=True)
        keep_NK = hidden_NL.argsort(dim=1, stable=True)[:, :keep]
        return self.mae.neck(latent, restore_NL), TokenMask(keep_NK, grid)
