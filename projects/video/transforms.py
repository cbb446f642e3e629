"""Augmentation of clips: whatever is drawn holds for all frames.

A clip is (T, H, W, 3) uint8 RGB, in ``results['clip']``.
"""
import random
from collections.abc import Sequence

import mmcv
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS
from mmpretrain.datasets import PackInputs, RandomErasing
from mmpretrain.registry import TRANSFORMS as MMPRETRAIN_TRANSFORMS


@MMPRETRAIN_TRANSFORMS.register_module()
class OnEveryFrame(BaseTransform):
    """Image transforms, with the same random choices on every frame.

    Any transform of the toolboxes can be used: random numbers start from the
    same state for every frame. Frames are given to them as images in BGR
    order, as the toolboxes expect, so colours in their options are BGR, too.

    Args:
        transforms: Configs of image transforms.
    """

    def __init__(self, transforms: Sequence[dict]) -> None:
        self.transforms = [MMPRETRAIN_TRANSFORMS.build(t) for t in transforms]

    def transform(self, results: dict) -> dict:
        """Replace ``clip``; the frames have to stay of one size."""
        state = _random_state()
        frames = []
        for frame in results['clip']:
            _set_random_state(state)
            frames.append(self._on_frame(frame))
        results['clip'] = np.stack(frames)
        results['img_shape'] = results['clip'].shape[1:3]
        return results

    def _on_frame(self, rgb: np.ndarray) -> np.ndarray:
        image = dict(
            img=np.ascontiguousarray(rgb[..., ::-1]),
            img_shape=rgb.shape[:2],
            ori_shape=rgb.shape[:2])
        for transform in self.transforms:
            image = transform(image)
        return image['img'][..., ::-1]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transforms={self.transforms})'


@TRANSFORMS.register_module()
class ClipMultiScaleCrop(BaseTransform):
    """A crop of one of a few shapes and places; for pretraining.

    Height and width are each one of ``scales`` times the shorter side, at
    most one step of ``scales`` apart. The crop lies at one of 13 points of a
    lattice that divides the free space in four: the nine where both numbers
    are even, and the four where both are odd.

    Args:
        size: Side of the result, (H, W) or one number for both.
        scales: Of the shorter side, in falling order.
        backend: What resizes, 'pillow' or 'cv2'. The first averages when it
            makes smaller.
    """
    PLACES = tuple(
        (i, j) for i in range(5) for j in range(5) if i % 2 == j % 2)

    def __init__(self,
                 size: int | tuple[int, int],
                 scales: Sequence[float] = (1, .875, .75, .66),
                 backend: str = 'pillow') -> None:
        self.size = (size, size) if isinstance(size, int) else size
        self.scales = scales
        self.backend = backend

    def transform(self, results: dict) -> dict:
        """Crop and resize ``clip``."""
        top, left, height, width = self.choose(*results['clip'].shape[1:3])
        crop = results['clip'][:, top:top + height, left:left + width]
        results['clip'] = resize(crop, self.size, self.backend)
        results['img_shape'] = self.size
        return results

    def choose(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, left, height and width of a random crop, in pixels."""
        sides = [
            max(1, int(scale * min(height, width))) for scale in self.scales
        ]
        shapes = [(h, w) for i, h in enumerate(sides)
                  for j, w in enumerate(sides) if abs(i - j) <= 1]
        crop_h, crop_w = shapes[np.random.randint(len(shapes))]
        i, j = self.PLACES[np.random.randint(len(self.PLACES))]
        return ((height - crop_h) // 4 * i, (width - crop_w) // 4 * j, crop_h,
                crop_w)

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(size={self.size}, '
                f'scales={self.scales}, backend={self.backend!r})')


@TRANSFORMS.register_module()
class ClipRandomRoll(BaseTransform):
    """Shift all frames by the same random distance, as if on a torus.

    What leaves on one side comes back on the other. For clips that go round
    in circles themselves, as the embedded ones do.
    """

    def transform(self, results: dict) -> dict:
        """Roll ``clip`` in height and width."""
        height, width = results['clip'].shape[1:3]
        shift = np.random.randint(height), np.random.randint(width)
        results['clip'] = np.roll(results['clip'], shift, axis=(1, 2))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class ClipResizeShort(BaseTransform):
    """Resize a clip so that its shorter side has a given length.

    Args:
        size: That length in pixels. The longer side becomes
            ``int(size * longer / shorter)``.
        backend: What resizes, 'cv2' or 'pillow'.
    """

    def __init__(self, size: int, backend: str = 'cv2') -> None:
        self.size, self.backend = size, backend

    def transform(self, results: dict) -> dict:
        """Resize ``clip``, bilinearly."""
        height, width = results['clip'].shape[1:3]
        short = min(height, width)
        shape = (int(self.size * height / short),
                 int(self.size * width / short))
        results['clip'] = resize(results['clip'], shape, self.backend)
        results['img_shape'] = shape
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(size={self.size}, '
                f'backend={self.backend!r})')


@TRANSFORMS.register_module()
class ClipViewCrop(BaseTransform):
    """A square crop: the one that the view asks for, along the longer side.

    Crop s of S starts at ``int(s * (longer - size) / (S - 1))``; a single one
    lies in the middle, and so does each across the shorter side.

    Args:
        size: Side of the crop in pixels.

    Raises:
        ValueError: If a frame is smaller.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        """Crop ``clip`` by ``crop_index`` of ``num_crops``."""
        height, width = results['clip'].shape[1:3]
        if min(height, width) < self.size:
            raise ValueError(
                f'video {results.get("video_path")}: frames of {height} x '
                f'{width} are smaller than the crop of {self.size}; resize '
                'them before')
        number = results.get('crop_index', 0)
        crops = results.get('num_crops', 1)
        top, left = (height - self.size) // 2, (width - self.size) // 2
        if crops > 1:
            start = int(number * ((max(height, width) - self.size) /
                                  (crops - 1)))
            top, left = (start, left) if height >= width else (top, start)
        results['clip'] = results['clip'][:, top:top + self.size,
                                          left:left + self.size]
        results['img_shape'] = (self.size, self.size)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'


@MMPRETRAIN_TRANSFORMS.register_module()
class ClipRandomErasing(RandomErasing):
    """``RandomErasing`` of a cube: one rectangle in all frames.

    Noise differs from frame to frame. The options are those of
    mmpretrain's ``RandomErasing``; colours are RGB here, as the clip is.
    """

    def transform(self, results: dict) -> dict:
        """Erase a part of ``clip``, or nothing."""
        if self.random_disable():
            return results
        clip = results['clip'].copy()
        place = self.random_patch(*clip.shape[1:3])
        for frame in clip:
            self._fill_pixels(frame, *place)
        results['clip'] = clip
        return results


@MMPRETRAIN_TRANSFORMS.register_module()
class PackClip(PackInputs):
    """The last transform: a clip and what is known of it, for the model.

    ``inputs`` is (3, T, H, W) uint8 RGB; ``data_samples`` a ``DataSample``
    with ``gt_label``, if there is one, and the ``meta_keys``.

    Args:
        meta_keys: What of the results to keep.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = ('video_path', 'video_index', 'view_index',
                                    'num_views', 'frame_indices', 'ori_shape',
                                    'img_shape')
    ) -> None:
        super().__init__(input_key='clip', meta_keys=meta_keys)

    @staticmethod
    def format_input(input_: np.ndarray) -> torch.Tensor:
        """(T, H, W, 3) to (3, T, H, W)."""
        return torch.from_numpy(
            np.ascontiguousarray(input_.transpose(3, 0, 1, 2)))


def resize(clip: np.ndarray, size: tuple[int, int],
           backend: str) -> np.ndarray:
    """Resize every frame bilinearly to (H, W)."""
    if clip.shape[1:3] == size:
        return clip
    return np.stack([
        mmcv.imresize(
            np.ascontiguousarray(frame), size[::-1], backend=backend)
        for frame in clip
    ])


def _random_state() -> tuple:
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def _set_random_state(state: tuple) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
