"""Multi-head self-attention, plain and with relative positions.

Shapes: B samples (each window is one), N tokens, C channels, M heads, D
channels of a head.
"""
import torch.nn.functional as F
from torch import Tensor, nn

from .biased_attention import Bias, biased_attention
from .grid import Grid
from .rel_pos import TABLE, add_axes, add_table, axis_bias, table_bias


class Attention(nn.Module):
    """Multi-head self-attention on scaled dot products.

    Args:
        channels: Width C, a multiple of ``num_heads``.
        num_heads: Number of heads.

    Raises:
        ValueError: If ``channels`` is not a multiple of ``num_heads``.
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'{channels} channels cannot be split over '
                             f'{num_heads} attention heads')
        self.num_heads = num_heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self,
                x_BNC: Tensor,
                span: Grid = (),
                bias: Bias | None = None,
                inside_BN: Tensor | None = None) -> Tensor:
        """Map (B, N, C) to (B, N, C).

        Args:
            x_BNC: Tokens.
            span: Their grid; needed with relative positions only.
            bias: Relative positions shared with other blocks.
            inside_BN: False at tokens that may not be attended to.
        """
        mixed_BNC = self.mix(self.qkv(x_BNC), span, bias, inside_BN)
        return self.proj(mixed_BNC)

    def mix(self,
            qkv_BNC: Tensor,
            span: Grid = (),
            bias: Bias | None = None,
            inside_BN: Tensor | None = None) -> Tensor:
        """Attention between the two projections.

        Args:
            qkv_BNC: Queries, keys and values, (B, N, 3C).
            span: See :meth:`forward`, and so the others.
            bias: As well.
            inside_BN: As well.

        Returns:
            Tensor (B, N, C).
        """
        qkv = qkv_BNC.unflatten(2, (3, self.num_heads, -1))
        # apart before transposed: their gradients come together in one copy
        q, k, v = (x_BNMD.transpose(1, 2) for x_BNMD in qkv.unbind(2))
        if bias is None:
            bias = self.bias(q, span)
        x_BMND = self.attend(q, k, v, span, bias, inside_BN)
        return x_BMND.transpose(1, 2).flatten(2)

    def attend(self, q_BMND: Tensor, k_BMND: Tensor, v_BMND: Tensor,
               span: Grid, bias: Bias | None,
               inside_BN: Tensor | None) -> Tensor:
        """softmax(q k^T / sqrt(D) + bias) v, of shape (B, M, N, D)."""
        if bias is not None:
            return biased_attention(q_BMND, k_BMND, v_BMND, span, bias,
                                    inside_BN)
        mask = None if inside_BN is None else inside_BN[:, None, None]
        return F.scaled_dot_product_attention(q_BMND, k_BMND, v_BMND, mask)

    def bias(self, q_BMND: Tensor, span: Grid) -> Bias | None:
        """Relative positions of this block's own; none here."""
        return None


class TableAttention(Attention):
    """Attention with its own table of relative positions (BEiT).

    Args:
        channels: Width C, a multiple of ``num_heads``.
        num_heads: Number of heads.
        span: Grid that the table is stored for; resampled on others.
    """

    def __init__(self, channels: int, num_heads: int, span: Grid) -> None:
        super().__init__(channels, num_heads)
        self.span = span
        add_table(self, span, num_heads)

    def bias(self, q_BMND: Tensor, span: Grid) -> Bias:
        """See :class:`Attention`."""
        return table_bias(getattr(self, TABLE), self.span, span)


class AxisAttention(Attention):
    """Attention with decomposed relative positions (MViTv2, ViTDet).

    Args:
        channels: Width C, a multiple of ``num_heads``.
        num_heads: Number of heads.
        span: Grid that the embeddings are stored for; resampled on others.
    """

    def __init__(self, channels: int, num_heads: int, span: Grid) -> None:
        super().__init__(channels, num_heads)
        add_axes(self, span, channels // num_heads)

    def bias(self, q_BMND: Tensor, span: Grid) -> Bias:
        """See :class:`Attention`."""
        return axis_bias(q_BMND, self.rel_pos_h, self.rel_pos_w, span)
