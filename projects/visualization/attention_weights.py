"""The attention matrix that fused attention never stores.

Attention returns A v for weights A. On the identity in place of v it returns
A itself, so each module's own arithmetic gives its weights.

Shapes: B samples, M heads, N tokens (B * W windows make W times B samples), D
channels of a head, Y and X rows and columns of a grid.
"""
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor, nn

from projects.common.attention import Attention
from projects.common.biased_attention import Bias, Chunk
from projects.common.grid import Grid
from projects.extrema.backbone import ClassAttention


def _of_ours(attn: Attention,
             qkv_BNC: Tensor,
             span: Grid = (),
             bias: Bias | None = None,
             inside_BN: Tensor | None = None) -> Tensor:
    q, k = _queries_and_keys(qkv_BNC, attn.num_heads)
    bias = attn.bias(q, span) if bias is None else bias
    mask = None if inside_BN is None else inside_BN[:, None, None]
    if bias is not None:
        mask = _expand(bias, q, span, mask)
    return F.scaled_dot_product_attention(q, k, _identity(q), mask)


def _of_mmpretrain(attn: MultiheadAttention, x_BNC: Tensor) -> Tensor:
    q, k = _queries_and_keys(attn.qkv(x_BNC), attn.num_heads)
    return attn.scaled_dot_product_attention(q, k, _identity(q))


def _of_class_token(attn: ClassAttention, x_BNC: Tensor) -> Tensor:
    q, k = attn.heads(attn.q(x_BNC[:, :1])), attn.heads(attn.k(x_BNC))
    return F.scaled_dot_product_attention(q, k, _identity(k))


# how the weights (B, M, queries, N) follow from a module and what it is given:
# blocks call the projections of ours themselves, and `mix` between them
WEIGHTS: dict[type[nn.Module], Callable[..., Tensor]] = {
    Attention: _of_ours,
    MultiheadAttention: _of_mmpretrain,
    ClassAttention: _of_class_token,
}


def _queries_and_keys(qkv_BNC: Tensor,
                      num_heads: int) -> tuple[Tensor, Tensor]:
    qkv_BN3MD = qkv_BNC.unflatten(2, (3, num_heads, -1))
    q, k, _ = qkv_BN3MD.permute(2, 0, 3, 1, 4)
    return q, k


def _identity(k_BMND: Tensor) -> Tensor:
    batch, heads, length, _ = k_BMND.shape
    eye_NN = torch.eye(length, dtype=k_BMND.dtype, device=k_BMND.device)
    return eye_NN.expand(batch, heads, -1, -1)


def _expand(bias: Bias, q_BMND: Tensor, span: Grid,
            mask_B11N: Tensor | None) -> Tensor:
    """All of a bias (B, M, N, N), minus infinity where not to attend."""
    batch, heads, length, _ = q_BMND.shape
    bias_MBYXYX = q_BMND.new_zeros(heads, batch, *span, *span)
    everything = Chunk(slice(None), slice(None), slice(0, span[0]))
    bias.add_to(bias_MBYXYX, everything)
    # a bias is kept for keys that run from the last to the first
    bias_MBNN = bias_MBYXYX.view(heads, batch, length, length).flip(3)
    bias_BMNN = bias_MBNN.transpose(0, 1)
    if mask_B11N is None:
        return bias_BMNN
    return bias_BMNN.masked_fill(~mask_B11N, -torch.inf)


class AttentionRecorder:
    """Keeps the attention weights of a module's last call.

    Works for our blocks, mmpretrain's ViT and ExtreMA's class attention: the
    model runs as always, and is looked at.

    Args:
        attn: The attention module.

    Raises:
        ValueError: If it is of a kind that is not in ``WEIGHTS``.
    """

    def __init__(self, attn: nn.Module) -> None:
        kinds = [kind for kind in WEIGHTS if isinstance(attn, kind)]
        if not kinds:
            raise ValueError(
                f'{type(attn).__name__} is no attention whose weights are '
                f'known; known are {[kind.__name__ for kind in WEIGHTS]}')
        self._weights = WEIGHTS[kinds[0]]
        self.weights_BMQN: Tensor | None = None
        self._attn = attn
        self._verb = 'mix' if isinstance(attn, Attention) else 'forward'
        setattr(attn, self._verb, self._recorded(getattr(attn, self._verb)))

    def _recorded(self, function: Callable[..., Tensor]) -> Callable:

        def record(*args: Any, **kwargs: Any) -> Tensor:
            with torch.no_grad():
                self.weights_BMQN = self._weights(self._attn, *args, **kwargs)
            return function(*args, **kwargs)

        return record

    def remove(self) -> None:
        """Leave the module as it was."""
        delattr(self._attn, self._verb)


def last_attention(backbone: nn.Module) -> nn.Module:
    """Self-attention of the last block of a backbone's encoder.

    Raises:
        ValueError: If the backbone has none that is known.
    """
    # MIMDet's decoder is not meant
    encoder = getattr(backbone, 'encoder', backbone)
    found = [
        module for module in encoder.modules()
        if isinstance(module, (Attention, MultiheadAttention))
    ]
    if not found:
        raise ValueError(
            f'{type(backbone).__name__} has no self-attention that is known: '
            "expected blocks of this project or mmpretrain's "
            'MultiheadAttention')
    return found[-1]


def class_attention(backbone: nn.Module, layer: int = -1) -> nn.Module | None:
    """ExtreMA's class attention, where the backbone has such layers.

    Args:
        backbone: A backbone.
        layer: Which of the class-attention layers.

    Raises:
        ValueError: If there is no such layer.
    """
    layers = getattr(backbone, 'class_layers', ())
    if not len(layers):
        return None
    if not -len(layers) <= layer < len(layers):
        raise ValueError(f'class-attention layer {layer} does not exist; '
                         f'there are {len(layers)}')
    return layers[layer].attn
