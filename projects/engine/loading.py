"""Images as users' disks hold them: read upright, or refused by name."""
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmengine.logging import print_log
from mmengine.registry import TRANSFORMS
from PIL import Image, ImageOps

# With on_error='skip', a loader gives up after so many failures in a row:
# then the folder is bad, not an image.
MAX_FAILURES = 100
# Twice as many make Pillow itself refuse, as a decompression bomb.
MAX_PIXELS = 89_478_485
JPEG = 'JPEG', 'MPO'  # Pillow's name where a camera adds further pictures


class ImageError(ValueError):
    """A file that cannot be used as an image."""


class FailurePolicy:
    """What a loader does with files that it cannot use.

    Args:
        on_error: 'stop' with an error that names the file, or 'skip' it with
            a count in the log. Skipping is for training: the data set draws
            another sample in its place.
        what: The files, for messages.

    Raises:
        ValueError: If ``on_error`` is neither.
    """

    def __init__(self, on_error: str, what: str = 'images') -> None:
        if on_error not in ('stop', 'skip'):
            raise ValueError(
                f"on_error has to be 'stop' or 'skip', not {on_error!r}")
        self.on_error = on_error
        self.what = what
        self.failures: list[str] = []  # in a row
        # shared with worker processes
        self.skipped = torch.zeros((), dtype=torch.int64).share_memory_()

    def succeeded(self) -> None:
        """A file was fine: the count of failures in a row starts anew."""
        self.failures.clear()

    def failed(self, error: ValueError) -> None:
        """Skip a file.

        Args:
            error: Names it; to be called while it is handled.

        Raises:
            ValueError: ``error`` itself if ``on_error`` is 'stop', and one of
                its type for the last of 100 in a row if it is 'skip'.
        """
        if self.on_error == 'stop':
            raise error from None
        self.failures.append(str(error))
        self.skipped += 1
        if len(self.failures) >= MAX_FAILURES:
            raise type(error)(
                f'{len(self.failures)} {self.what} in a row could not be '
                f'read. The first: {self.failures[0]}') from None
        print_log(f'skipped {self.skipped.item()} {self.what} so far; {error}',
                  'current', 30)


@TRANSFORMS.register_module()
class LoadCheckedImage(LoadImageFromFile):
    """``LoadImageFromFile`` that never returns half an image.

    Decodes with Pillow, which refuses truncated files. Grey, palette, CMYK
    and transparent images become colour images, and EXIF orientation is
    applied. Values are uint8 (H, W, 3) in BGR order, as the toolboxes expect.

    Args:
        on_error: What to do with a file that is missing or unreadable, a
            policy of ``FailurePolicy``: 'stop' or 'skip'.
        max_pixels: Larger images are refused before they are decoded.
        formats: Formats that are decoded, by Pillow's names; None for all
            that Pillow knows.
        min_side: If given, JPEG files are decoded at the smallest of 1, 1/2,
            1/4 and 1/8 of their size that leaves both sides as many pixels.
            Values differ a little from those of a whole image that is resized
            afterwards. For random crops that shrink it anyway: crops of a
            fifth of the area and aspect ratios to 4/3 have 224 pixels a side
            from a ``min_side`` of 580 on.
        **kwargs: ``to_float32``, ``color_type`` and ``backend_args`` of
            ``LoadImageFromFile``.

    Raises:
        ImageError: For an unreadable file if ``on_error`` is 'stop', and for
            the last of 100 in a row if it is 'skip'.
        ValueError: For ``min_side`` with another ``color_type`` than 'color'.
    """

    def __init__(self,
                 on_error: str = 'stop',
                 max_pixels: int = MAX_PIXELS,
                 formats: tuple[str, ...] | None = None,
                 min_side: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(imdecode_backend='pillow', **kwargs)
        if min_side is not None and self.color_type != 'color':
            raise ValueError('LoadCheckedImage: min_side needs color_type='
                             f"'color', not {self.color_type!r}")
        self.min_side = min_side
        self.policy = FailurePolicy(on_error)
        self.max_pixels = max_pixels
        self.formats = formats

    def transform(self, results: dict) -> dict | None:
        """Read ``results['img_path']``; None if the file is skipped.

        An image without an address, as mmpretrain's inferencer gives it,
        passes unchanged.
        """
        if 'img' in results and 'img_path' not in results:
            return results
        try:
            image = self.read(results['img_path'])
        except ImageError as error:
            self.policy.failed(error)
            return None
        self.policy.succeeded()
        if self.to_float32:
            image = image.astype(np.float32)
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def read(self, path: str) -> np.ndarray:
        """Read and decode one file.

        Raises:
            ImageError: Names the file and what is wrong with it.
        """
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except OSError as error:
            raise ImageError(f'image {path} cannot be opened: '
                             f'{error.strerror or error}') from None
        return self.decode(path, content)

    def decode(self, path: str, content: bytes) -> np.ndarray:
        """Decode the content of one file.

        Args:
            path: Its name, for messages.
            content: All bytes of it.

        Raises:
            ImageError: Names the file and what is wrong with it.
        """
        if not content:
            raise ImageError(f'image {path} is empty: 0 bytes')
        try:
            with Image.open(BytesIO(content), formats=self.formats) as opened:
                self._check_header(path, opened)
                image = self._decode_smaller(opened)
            if image is None:
                image = mmcv.imfrombytes(
                    content,
                    flag=self.color_type,
                    channel_order='rgb',
                    backend='pillow')
            if self.color_type == 'color':
                # mmcv's own would be a view that is slow to copy
                image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            return image
        except ImageError:
            raise
        except Exception as error:  # decoders raise anything
            raise ImageError(
                f'image {path} is truncated, damaged or not an image '
                f'({len(content)} bytes): {error}') from None

    def _check_header(self, path: str, image: Image.Image) -> None:
        width, height = image.size
        if width * height > self.max_pixels:
            raise ImageError(
                f'image {path} has {width} x {height} pixels, more than '
                f'max_pixels={self.max_pixels}')
        if self.color_type != 'unchanged' and image.mode[0] in 'IF':
            raise ImageError(
                f'image {path} has more than 8 bits per value (mode '
                f'{image.mode}): convert it to 8 bits, or load it with '
                "color_type='unchanged'")

    def _decode_smaller(self, image: Image.Image) -> np.ndarray | None:
        """A JPEG at a fraction of its size; None where it is needed whole."""
        if self.min_side is None or image.format not in JPEG:
            return None
        image.draft(None, (self.min_side, self.min_side))
        return np.array(ImageOps.exif_transpose(image).convert('RGB'))


def storage_of(transforms: Iterable[Any]) -> dict | None:
    """``backend_args`` of the transform that loads; None for plain files."""
    given = (getattr(load, 'backend_args', None) for load in transforms)
    return next(filter(None, given), None)


class NamingCollate:
    """A collate function that says which images do not fit together.

    Crops leave images that are smaller than the crop as they are; stacking
    them fails without telling which.

    Args:
        collate: The loader's own function.
    """

    def __init__(self, collate: Callable[[Sequence], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: Sequence) -> Any:
        try:
            return self.collate(samples)
        except RuntimeError as error:
            sizes = _sizes(samples)
            if len(set(sizes.values())) < 2:
                raise
            listed = ', '.join(f'{path} {"x".join(map(str, size))}'
                               for path, size in sizes.items())
            raise ImageError(
                f'images of one batch differ in size: {listed} (channels x '
                'height x width). An image smaller than a crop stays as it '
                'is: resize before cropping, or give the crop '
                f'pad_if_needed=True ({error})') from None


def _sizes(samples: Sequence) -> dict[str, tuple[int, ...]]:
    """Shape of each sample's image by the name of its file."""
    sizes = {}
    for number, sample in enumerate(samples):
        image = sample.get('inputs') if isinstance(sample, dict) else None
        if isinstance(image, torch.Tensor):
            path = getattr(sample.get('data_samples'), 'img_path', number)
            sizes[str(path)] = tuple(image.shape)
    return sizes
