"""ConvMAE's decoder: fuse the three stages, then decode.

Shapes: B batch, K visible tokens, P cells of a token, C channels, L tokens.
"""
import math
from collections.abc import Sequence

from mmengine.registry import MODELS
from torch import Tensor, nn

from projects.common.blocks import CONV
from projects.common.decoder import MaskedDecoder
from projects.common.grid import Grid, block_linear
from projects.common.masking import TokenMask


@MODELS.register_module()
class MultiScaleDecoder(MaskedDecoder):
    """Multi-scale decoder of arXiv:2205.03892, section 2.2, equation 1.

    latent = LN(E3 + StridedConv(E1) + StridedConv(E2)) on visible tokens,
    then MAE's decoder. The LayerNorm is in the released code, not in the
    equation. What only pretraining needs lives here, so that the backbone
    has no unused parameters downstream.

    Args:
        in_channels: Channels of the last stage.
        stage_channels: Channels of the stages that are fused; empty turns
            the multi-scale decoder off (Table 6).
        stage_factors: For each fused stage the subdivisions of a token into
            its cells, coarse to fine.
        **kwargs: Arguments of :class:`MaskedDecoder`.
    """

    def __init__(self,
                 in_channels: int,
                 stage_channels: Sequence[int] = (256, 384),
                 stage_factors: Sequence[Sequence[Grid]] = (((2, 2), (2, 2)),
                                                            ((2, 2), )),
                 **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.stage_factors = [[tuple(factor) for factor in factors]
                              for factors in stage_factors]
        fuse_convs = []
        for channels, factors in zip(stage_channels, self.stage_factors):
            kernel = tuple(map(math.prod, zip(*factors)))
            fuse_convs.append(CONV[len(kernel)](channels, in_channels, kernel,
                                                kernel))
        self.fuse_convs = nn.ModuleList(fuse_convs)
        self.norm = nn.LayerNorm(in_channels, eps=1e-6)

    def fuse(self, encoded: tuple[Tensor, list[Tensor]]) -> Tensor:
        """Equation 1: the latent (B, K, C) of the visible tokens."""
        latent_BKC, cells = encoded
        for x_BKPC, conv, factors in zip(cells, self.fuse_convs,
                                         self.stage_factors):
            latent_BKC = latent_BKC + block_linear(x_BKPC, conv, factors)
        return self.norm(latent_BKC)

    def forward(self, encoded: tuple[Tensor, list[Tensor]], mask: TokenMask,
                grid: Grid) -> Tensor:
        """Predicted patches (B, L, P) of all tokens.

        Args:
            encoded: What the backbone's ``encode`` returned.
            mask: What it saw.
            grid: Its token grid.
        """
        return self.decode(self.fuse(encoded), mask, grid)
