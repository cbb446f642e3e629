"""Random crops: a fast one, and that of the linear probe."""
import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms.utils import cache_randomness
from mmpretrain.datasets import RandomResizedCrop
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FastResizedCrop(RandomResizedCrop):
    """``RandomResizedCrop`` with ``backend='pillow'``, several times as fast.

    torch's kernel for bytes has Pillow's filters, which average over all
    pixels that a smaller image covers. Of a photograph one value in 400
    differs, by one level of 256; of noise one in 30, by two at most. Pillow
    itself needs copies of the crop, element by element.

    Args:
        interpolation: 'bilinear' or 'bicubic'.
        **kwargs: As for ``RandomResizedCrop``, which draws the crop.

    Raises:
        ValueError: For another interpolation.
    """

    def __init__(self,
                 *args: Any,
                 interpolation: str = 'bilinear',
                 **kwargs: Any) -> None:
        if interpolation not in ('bilinear', 'bicubic'):
            raise ValueError(
                'FastResizedCrop: interpolation has to be bilinear or '
                f'bicubic, not {interpolation}')
        super().__init__(
            *args, interpolation=interpolation, backend='pillow', **kwargs)

    def transform(self, results: dict) -> dict:
        """Crop and resize ``results['img']``, uint8 (H, W, C)."""
        image = results['img']
        y, x, height, width = self.rand_crop_params(image)
        crop_YXC = torch.from_numpy(image[y:y + height, x:x + width])
        resized_1CYX = F.interpolate(
            crop_YXC.movedim(-1, 0)[None],
            self.scale,
            mode=self.interpolation,
            antialias=True)
        results['img'] = resized_1CYX[0].movedim(0, -1).numpy()
        results['img_shape'] = results['img'].shape[:2]
        return results


@TRANSFORMS.register_module()
class ClampedResizedCrop(FastResizedCrop):
    """A random crop that draws once and cuts off what does not fit.

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
