"""ViTDet's feature pyramid on one map (arXiv:2203.16527, section 3)."""
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """Pyramid from the last map of a plain backbone.

    The stride-16 map is brought to strides 4, 8, 16 and 32 by up to two
    transposed convolutions or a max-pooling; each gets a 1x1 and a 3x3
    convolution. Stride 64 is every second cell of stride 32.

    Args:
        in_channels: Channels C of the backbone's last map, a multiple of 4.
        out_channels: Channels of the pyramid's maps.
        norm_cfg: Norm after every convolution but the transposed one that
            ends a branch; those before it have no bias.
        init_cfg: Initialisation of the convolutions; PyTorch's by default.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int = 256,
                 norm_cfg: dict = dict(type='mmpretrain.LN2d', eps=1e-6),
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        half, quarter = in_channels // 2, in_channels // 4
        self.resize = nn.ModuleList([
            nn.Sequential(
                _double(in_channels, half),
                build_norm_layer(norm_cfg, half)[1], nn.GELU(),
                _double(half, quarter)),
            nn.Sequential(_double(in_channels, half)),
            nn.Identity(),
            nn.MaxPool2d(2)
        ])
        widths = (quarter, half, in_channels, in_channels)
        conv = dict(norm_cfg=norm_cfg, act_cfg=None)
        self.lateral_convs = nn.ModuleList(
            ConvModule(width, out_channels, 1, **conv) for width in widths)
        self.fpn_convs = nn.ModuleList(
            ConvModule(out_channels, out_channels, 3, padding=1, **conv)
            for _ in widths)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Pyramid of the last of ``maps``, (N, C, H, W).

        Returns:
            Five maps (N, C', H', W') with 4, 2, 1, 1/2 and 1/4 of its sides;
            halves are rounded down, then up.
        """
        outs = [
            fpn_conv(lateral_conv(resize(maps[-1]))) for resize, lateral_conv,
            fpn_conv in zip(self.resize, self.lateral_convs, self.fpn_convs)
        ]
        return (*outs, F.max_pool2d(outs[-1], 1, stride=2))


def _double(in_channels: int, out_channels: int) -> nn.Module:
    """Transposed convolution that doubles both sides."""
    return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
