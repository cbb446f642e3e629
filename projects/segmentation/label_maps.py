"""Label maps that are what they should be, or one clear message.

Unchecked, a label map of another size fails in a later crop or metric, a
label beyond the classes is a device-side assertion in the loss, and a map of
16 bits loses its upper half without a word.
"""
import io

import numpy as np
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

IGNORED = 255  # mmseg's label of pixels that do not count


@TRANSFORMS.register_module()
class LoadCheckedAnnotations(LoadAnnotations):
    """mmseg's ``LoadAnnotations`` that looks at what it loads.

    An image without an address of a label map, as mmseg's inferencer gives
    it, passes unchanged.

    Args:
        num_classes: Number of classes. After ``reduce_zero_label`` and the
            data set's ``label_map``, labels are 0 to ``num_classes - 1``, or
            255, which is ignored.
        **kwargs: Arguments of ``LoadAnnotations``.

    Raises:
        FileNotFoundError: If there is no label map for an image.
        ValueError: If it is no picture, is not of one 8-bit channel, has
            another size than its image, or labels beyond the classes.
    """

    def __init__(self, num_classes: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def transform(self, results: dict) -> dict:
        """Add the label map to a sample that has the address of one."""
        if 'seg_map_path' not in results:
            return results
        return super().transform(results)

    def _load_seg_map(self, results: dict) -> None:
        self._check_file(results)
        path = results['seg_map_path']
        try:
            super()._load_seg_map(results)
        except Exception as error:  # decoders raise anything
            raise ValueError(f'{path}: the label map of '
                             f'{results["img_path"]} is truncated or damaged: '
                             f'{error}') from None
        labels = results['gt_seg_map']
        beyond = labels[(labels >= self.num_classes) & (labels != IGNORED)]
        if beyond.size:
            offset = int(results['reduce_zero_label'])
            raise ValueError(
                f'{results["seg_map_path"]}: labels '
                f'{(np.unique(beyond) + offset).tolist()} on {beyond.size} '
                f'pixels are beyond the {self.num_classes} classes; expected '
                f'{offset} to {self.num_classes - 1 + offset}, or '
                f'{0 if offset else IGNORED} where to ignore')

    def _check_file(self, results: dict) -> None:
        """Existence, kind and size, from the file's header."""
        path, image = results['seg_map_path'], results['img_path']
        try:
            data = fileio.get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'{path}: the label map of {image} does '
                                    f'not exist ({error.strerror})') from None
        try:
            with Image.open(io.BytesIO(data)) as header:
                mode, (width, height) = header.mode, header.size
        except Exception:  # decoders raise anything
            raise ValueError(f'{path}: the label map of {image} is not a '
                             'picture that can be read') from None
        if mode not in ('L', 'P', '1'):
            raise ValueError(
                f'{path}: the label map of {image} has mode {mode}; expected '
                'one channel of 8 bits (mode L or P)')
        # before resizing; the image is loaded first in every pipeline
        expected = tuple(results['ori_shape'][:2])
        if (height, width) != expected:
            raise ValueError(
                f'{path}: the label map has {width}x{height} pixels, its '
                f'image {image} has {expected[1]}x{expected[0]}')
