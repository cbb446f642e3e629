"""Batches that know how much of each image is padding.

Shapes: B images, C channels, H and W of the padded batch.
"""
from typing import NamedTuple

from mmdet.models import DetDataPreprocessor
from mmdet.registry import MODELS
from torch import Tensor


class PaddedImages(NamedTuple):
    """A padded batch and the sizes that its images had before.

    Attributes:
        tensor: Images (B, C, H, W), padded at the bottom and on the right.
        valid_hw: Height and width of each image in pixels, without padding.
    """
    tensor: Tensor
    valid_hw: tuple[tuple[int, int], ...]


@MODELS.register_module()
class PaddedDetDataPreprocessor(DetDataPreprocessor):
    """mmdet's preprocessor whose ``inputs`` are :class:`PaddedImages`.

    A detector hands its inputs to the backbone as they are, so the backbone
    learns of the padding and no detector has to be changed. The pipeline
    must not pad, and batch augmentations must not resize.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """See ``DetDataPreprocessor``."""
        sizes = tuple(tuple(image.shape[-2:]) for image in data['inputs'])
        data = super().forward(data, training)
        data['inputs'] = PaddedImages(data['inputs'], sizes)
        return data
