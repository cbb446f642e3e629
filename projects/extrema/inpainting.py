"""A decoder on frozen patch tokens, to see what they know of hidden ones.

ExtreMA reconstructs nothing, yet its appendix shows inpainting (section E,
Figure 4) without saying how. Ours trains MAE's decoder on the visible tokens
of a frozen encoder.
"""
from mmengine.registry import MODELS
from torch import Tensor, nn

from projects.common.decoder import MaskedDecoder
from projects.common.grid import Grid
from projects.common.masking import TokenMask


@MODELS.register_module()
class TokenDecoder(MaskedDecoder):
    """MAE's decoder behind a norm of its own.

    The encoder ends without a norm that its patch tokens pass.

    Args:
        in_channels: Width of the encoder's tokens.
        **kwargs: Arguments of :class:`MaskedDecoder`.
    """

    def __init__(self, in_channels: int, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.norm = nn.LayerNorm(in_channels, eps=1e-6)

    def forward(self, latent_BKC: Tensor, mask: TokenMask,
                grid: Grid) -> Tensor:
        """Predicted patches (B, L, P) from visible tokens (B, K, C)."""
        return self.decode(self.norm(latent_BKC), mask, grid)
