"""Training transforms of large-scale jitter that mmdet lacks."""
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmdet.datasets.transforms import RandomCrop
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class DiagonalRandomCrop(RandomCrop):
    """mmdet's ``RandomCrop`` with one random fraction for both offsets.

    This is detectron2's ``FixedSizeCrop``: crops lie along the diagonal of
    the positions that are possible.
    """

    @cache_randomness
    def _rand_offset(self, margin: tuple[int, int]) -> tuple[int, int]:
        fraction = np.random.uniform()
        height, width = margin
        return round(height * fraction), round(width * fraction)
