"""Lightweight decoder that completes the encoder's tokens.

Source: arXiv:2204.02964, section 2.1 and Table 6; checked against
hustvl/MIMDet at fb0aaa1.

Shapes: B images, L tokens on the grid, K sampled tokens, C encoder channels,
D decoder channels.
"""
import torch
from torch import Tensor, nn

from projects.common.activation_checkpoint import run
from projects.common.blocks import TransformerBlock
from projects.common.grid import Grid
from projects.common.masking import TokenMask

from .encoder import EPS, FixedPosEmbed


class CompletingDecoder(nn.Module):
    """MAE's decoder without the prediction of pixels.

    Args:
        in_channels: Encoder width C.
        grid: (H, W) of the stored position embedding.
        channels: Decoder width D.
        depth: Number of transformer blocks.
        num_heads: Attention heads; a divisor of ``channels``.
        fill: What stands for the tokens that were not sampled:
            ``'stem'``, a projection of the stem's tokens, or
            ``'mask_token'``, MAE's trained vector (Table 6).
        with_cp: Recompute activations in the backward pass.

    Raises:
        ValueError: If ``fill`` is unknown.
    """

    def __init__(self,
                 in_channels: int,
                 grid: Grid,
                 channels: int = 512,
                 depth: int = 4,
                 num_heads: int = 16,
                 fill: str = 'stem',
                 with_cp: bool = False) -> None:
        super().__init__()
        if fill not in ('stem', 'mask_token'):
            raise ValueError(f'backbone.decoder.fill is {fill!r}; choose '
                             "'stem' or 'mask_token'")
        self.fill = fill
        self.channels = channels
        self.with_cp = with_cp
        self.embed = nn.Linear(in_channels, channels)
        if fill == 'stem':
            self.stem_proj = nn.Linear(in_channels, channels)
        else:
            self.mask_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.pos_embed = FixedPosEmbed(channels, grid)
        self.blocks = nn.ModuleList(
            TransformerBlock(channels, num_heads, eps=EPS)
            for _ in range(depth))
        self.norm = nn.LayerNorm(channels, EPS)

    def forward(self, latent_BKC: Tensor, stem_BLC: Tensor,
                mask: TokenMask) -> Tensor:
        """All tokens (B, L, D) from the encoded and the stem's.

        Args:
            latent_BKC: The encoder's output.
            stem_BLC: All tokens of the stem, without positions.
            mask: What the encoder saw.
        """
        fill = self.stem_proj(stem_BLC) if self.fill == 'stem' \
            else self.mask_token
        x_BLD = mask.put_back(self.embed(latent_BKC), fill)
        x_BLD = self.pos_embed(x_BLD, mask.grid)
        for block in self.blocks:
            x_BLD = run(block, x_BLD, with_cp=self.with_cp)
        return self.norm(x_BLD)
