"""The masked-autoencoder algorithm in mmpretrain's terms."""
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import Tensor

from .masking import TokenMask


@MODELS.register_module()
class MaskedAutoencoder(BaseSelfSupervisor):
    """Hide tokens, encode the rest, reconstruct what was hidden.

    image -> data preprocessor -> masking -> backbone -> neck -> head -> loss

    Args:
        masking: Config of the masking rule, called for every batch.
        **kwargs: Arguments of mmpretrain's ``BaseSelfSupervisor``: backbone,
            neck, head, data_preprocessor, init_cfg.
    """

    def __init__(self, masking: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.masking = MODELS.build(masking)

    def reconstruct(
            self,
            inputs: Tensor,
            noise_BL: Tensor | None = None) -> tuple[Tensor, TokenMask]:
        """Predict every patch of ``inputs`` from its visible tokens.

        Args:
            inputs: Preprocessed images (N, C, H, W).
            noise_BL: Fixed masking noise in place of a random draw.

        Returns:
            The predicted patches (B, L, P) and the mask that was used.
        """
        grid = self.backbone.token_grid(inputs)
        mask = self.masking(
            len(inputs), grid, inputs.device, noise_BL=noise_BL)
        encoded = self.backbone.encode(inputs, mask)
        return self.neck(encoded, mask, grid), mask

    def loss(self,
             inputs: Tensor,
             data_samples: list | None = None,
             **kwargs) -> dict[str, Tensor]:
        """Reconstruction loss of a batch of images (N, C, H, W)."""
        pred, mask = self.reconstruct(inputs)
        return dict(loss=self.head.loss(pred, inputs, mask))
