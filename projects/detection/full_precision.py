"""Boxes in float32 whatever the precision of the features is.

mmdet casts anchors and regions to the dtype of the features. In bfloat16 a
coordinate near 1000 is then known to 4 pixels, in float16 to half a pixel.
Official recipes keep boxes and region pooling in float32.
"""
from mmdet.models import RPNHead, SingleRoIExtractor
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class FullPrecisionRPNHead(RPNHead):
    """mmdet's ``RPNHead`` whose logits and deltas leave it in float32."""

    def forward_single(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See ``RPNHead``."""
        scores, deltas = super().forward_single(x)
        return scores.float(), deltas.float()


@MODELS.register_module()
class FullPrecisionRoIExtractor(SingleRoIExtractor):
    """mmdet's ``SingleRoIExtractor`` that pools in float32.

    mmcv's RoIAlign has no bfloat16 kernels either, and it takes any map for a
    contiguous one: of a map in channels-last memory, as convolutions make
    them after this project's backbones, it would pool the wrong values.
    """

    def forward(self,
                feats: tuple[Tensor, ...],
                rois: Tensor,
                roi_scale_factor: float | None = None) -> Tensor:
        """See ``SingleRoIExtractor``."""
        feats = tuple(feat.float().contiguous() for feat in feats)
        return super().forward(feats, rois.float(), roi_scale_factor)
