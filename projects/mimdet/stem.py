"""Convolutional stems: the fine maps of the pyramid and the tokens.

Source: arXiv:2204.02964, section 2.2 and Table 5; the first one checked
against hustvl/MIMDet at fb0aaa1.

Shapes: B batch, C channels, H and W pixels.
"""
from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from mmpretrain.models import ConvNeXt
from torch import Tensor, nn
from torch.nn import functional as F

from projects.common.activation_checkpoint import run
from projects.common.checkpoint import PretrainedModule


class StemStage(nn.Module):
    """3x3 convolution of stride 2, norm over the whole image, GELU.

    Args:
        in_channels: Channels of the finer map.
        channels: Channels of this stage.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, channels, 3, stride=2, padding=1, bias=False)
        # one group: statistics over channels and positions, padding included
        self.norm = nn.GroupNorm(1, channels, eps=1e-6)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H / 2, W / 2)."""
        return F.gelu(self.norm(self.conv(x_BCHW)))


@MODELS.register_module()
class ConvStem(BaseModule):
    """MIMDet's stem of four stages, ``naive`` in Table 5.

    The paper calls the norm LayerNorm2d; in the released code and weights it
    is a GroupNorm of one group, so an image's features change a little when
    it is padded more.

    Args:
        out_channels: Channels of the tokens, a multiple of 8.
        in_channels: Channels of the image.
        with_cp: Recompute activations in the backward pass.
        init_cfg: As in mmengine's ``BaseModule``; PyTorch's initialisation
            by default.
    """

    def __init__(self,
                 out_channels: int,
                 in_channels: int = 3,
                 with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        widths = [out_channels // factor for factor in (8, 4, 2, 1)]
        self.channels = tuple(widths[1:])
        self.with_cp = with_cp
        self.stages = nn.ModuleList(
            StemStage(*pair) for pair in zip([in_channels, *widths], widths))
        self.proj = nn.Conv2d(out_channels, out_channels, 1)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of strides 4, 8 and 16; the last one holds the tokens."""
        maps = []
        for stage in self.stages:
            x_BCHW = run(stage, x_BCHW, with_cp=self.with_cp)
            maps.append(x_BCHW)
        return maps[1], maps[2], self.proj(maps[3])


@MODELS.register_module()
class ConvNeXtStem(PretrainedModule, ConvNeXt):
    """First two stages of ConvNeXt-L and what follows them (Table 5).

    The paper does not say how the second stage's map becomes tokens. Ours is
    ConvNeXt's own third downsampling layer, for which pretrained weights
    exist too, and the maps leave the stages without a norm.

    Args:
        out_channels: Channels of the tokens; 768 with pretrained weights.
        channels: Channels of the two stages.
        depths: Blocks of the two stages.
        drop_path_rate: Rate of the last block, linear from 0 at the first.
        with_cp: Recompute activations in the backward pass.
        init_cfg: ``dict(type='Pretrained', prefix='backbone.',
            checkpoint=...)`` with a ConvNeXt-L of mmpretrain, or nothing.
    """

    def __init__(self,
                 out_channels: int,
                 channels: Sequence[int] = (192, 384),
                 depths: Sequence[int] = (3, 3),
                 drop_path_rate: float = 0.,
                 with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        scratch = dict(
            type='TruncNormal', layer=['Conv2d', 'Linear'], std=.02, bias=0.)
        super().__init__(
            arch=dict(depths=depths, channels=channels),
            out_indices=(),  # no norms on the maps
            drop_path_rate=drop_path_rate,
            with_cp=with_cp,
            init_cfg=init_cfg or scratch)
        self.channels = (*channels, out_channels)
        self.downsample_layers.append(
            nn.Sequential(
                build_norm_layer(
                    dict(type='mmpretrain.LN2d', eps=1e-6), channels[-1])[1],
                nn.Conv2d(channels[-1], out_channels, 2, stride=2)))

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of strides 4, 8 and 16; the last one holds the tokens."""
        fine_BCHW = self.stages[0](self.downsample_layers[0](x_BCHW))
        coarse_BCHW = self.stages[1](self.downsample_layers[1](fine_BCHW))
        return fine_BCHW, coarse_BCHW, self.downsample_layers[2](coarse_BCHW)
