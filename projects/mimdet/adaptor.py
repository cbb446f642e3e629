"""A pyramid from four maps of a plain ViT.

Source: arXiv:2111.11429 (Benchmarking-ViT), section 2; checked against
hustvl/MIMDet at fb0aaa1.

Shapes: B images, C channels, H and W tokens along the sides.
"""
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

POOL: dict[str, Callable[..., Tensor]] = {
    'max': F.max_pool2d,
    'avg': F.avg_pool2d
}


class PyramidAdaptor(nn.Module):
    """Four maps of stride 16 to strides 4, 8, 16 and 32.

    Args:
        channels: Width C of all maps, a multiple of 32.
        pool: ``'max'`` or ``'avg'``, for the coarsest map.
    """

    def __init__(self, channels: int, pool: str = 'max') -> None:
        super().__init__()
        self.pool = pool
        self.up4 = nn.Sequential(
            _double(channels), nn.GroupNorm(32, channels), nn.GELU(),
            _double(channels))
        self.up8 = _double(channels)

    def init_weights(self) -> None:
        """Truncated LeCun normal weights, zero biases."""
        for module in self.modules():
            if isinstance(module, nn.ConvTranspose2d):
                fan_in = module.weight[0].numel()
                # the factor restores the variance that truncation takes
                std = fan_in**-0.5 / .87962566103423978
                nn.init.trunc_normal_(module.weight, std=std)
                nn.init.zeros_(module.bias)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps (B, C, 4H, 4W), (2H, 2W), (H, W) and (H / 2, W / 2).

        Args:
            maps: Four of (B, C, H, W), from the first to the last block.
        """
        c2, c3, c4, c5 = maps
        return self.up4(c2), self.up8(c3), c4, POOL[self.pool](c5, 2)


def _double(channels: int) -> nn.Module:
    """Transposed convolution that doubles both sides."""
    return nn.ConvTranspose2d(channels, channels, 2, stride=2)


def quarter_ends(depth: int) -> tuple[int, ...]:
    """Indices of the blocks that end the quarters of ``depth`` blocks.

    Raises:
        ValueError: If ``depth`` is not a multiple of 4.
    """
    if depth % 4:
        raise ValueError(f'a pyramid of a ViT is made of the quarters of its '
                         f'blocks; arch.depth is {depth}, no multiple of 4')
    return tuple(range(depth // 4 - 1, depth, depth // 4))
