"""Decoder of masked autoencoders: put tokens back, predict every patch.

Shapes: B batch, K visible tokens, L tokens on the grid, C encoder channels,
D decoder channels, P values of a patch.
"""
import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from .blocks import TransformerBlock
from .grid import Grid
from .masking import TokenMask
from .pos_embed import make_pos_embed, resample_on_load, resample_pos_embed


class MaskedDecoder(BaseModule):
    """Lightweight transformer decoder with mask tokens (MAE, section 3).

    Args:
        in_channels: Encoder width C.
        out_channels: Values of a patch P, for example 16 * 16 * 3.
        grid: Token grid of the stored position embedding; another grid at
            run time gets it resampled.
        channels: Decoder width D.
        depth: Number of transformer blocks.
        num_heads: Attention heads; a divisor of ``channels``.
        mlp_ratio: Hidden width of the MLPs over ``channels``.
        pos: Kind of position embedding (:func:`make_pos_embed`), trained if
            it is ``'learned'``; sin-cos of the grid's axes by default.
        init_cfg: As in mmengine's ``BaseModule``.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 grid: Grid,
                 channels: int = 512,
                 depth: int = 8,
                 num_heads: int = 16,
                 mlp_ratio: float = 4.,
                 pos: str | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.grid = tuple(grid)
        self.decoder_embed = nn.Linear(in_channels, channels)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.decoder_pos_embed = nn.Parameter(
            make_pos_embed(pos or f'{len(self.grid)}d_sincos', channels,
                           self.grid),
            requires_grad=pos == 'learned')
        self.decoder_blocks = nn.ModuleList(
            TransformerBlock(channels, num_heads, mlp_ratio)
            for _ in range(depth))
        self.decoder_norm = nn.LayerNorm(channels, eps=1e-6)
        self.decoder_pred = nn.Linear(channels, out_channels)
        resample_on_load(self, 'decoder_pos_embed', self.grid)

    def init_weights(self) -> None:
        """Xavier-uniform linear layers; mask token from N(0, 0.02)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.mask_token, std=.02)
        super().init_weights()

    def decode(self, latent_BKC: Tensor, mask: TokenMask,
               grid: Grid) -> Tensor:
        """Predictions (B, L, P) of all patches from the encoded tokens.

        Args:
            latent_BKC: Encoded visible tokens, or all tokens when the mask
                hides cells within tokens.
            mask: What the encoder saw.
            grid: Token grid of the encoder.
        """
        x_BLC = self.decoder_embed(latent_BKC)
        if mask.grid == grid:
            x_BLC = mask.put_back(x_BLC, self.mask_token)
        x_BLC = x_BLC + resample_pos_embed(self.decoder_pos_embed, self.grid,
                                           grid)
        for block in self.decoder_blocks:
            x_BLC = block(x_BLC)
        return self.decoder_pred(self.decoder_norm(x_BLC))
