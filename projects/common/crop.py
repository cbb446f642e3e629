"""The random crop of the linear probe."""
import math

import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmpretrain.datasets import RandomResizedCrop
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClampedResizedCrop(RandomResizedCrop):
    """``RandomResizedCrop`` that draws once and cuts off what does not fit.

    TensorFlow's crop, used in the linear probes of MAE and ConvMAE. Upstream
    draws up to ten times and takes the centre if nothing fits; with one
    attempt it would take the centre where this cuts off.
    """

    @cache_randomness
    def rand_crop_params(self, img: np.ndarray) -> tuple[int, int, int, int]:
        """Row and column offset, height and width of a crop of ``img``."""
        height, width = img.shape[:2]
        area = height * width * np.random.uniform(*self.crop_ratio_range)
        narrow, wide = self.aspect_ratio_range
        ratio = math.exp(np.random.uniform(math.log(narrow), math.log(wide)))
        crop_w = min(max(round(math.sqrt(area * ratio)), 1), width)
        crop_h = min(max(round(math.sqrt(area / ratio)), 1), height)
        return (np.random.randint(height - crop_h + 1),
                np.random.randint(width - crop_w + 1), crop_h, crop_w)
