"""From a path to a clip: choose frames, decode these."""
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmengine.registry import TASK_UTILS, TRANSFORMS

from projects.engine.loading import FailurePolicy, ImageError, LoadCheckedImage

from .reader import VideoError, VideoReader


class FrameFolder:
    """The frames of a video as images in a folder.

    Args:
        path: The folder.
        template: File name of a frame by number, as for ``str.format``.
        first: Number of the first frame's file.
        total: Number of frames; None: as many as there are files of such
            names.
        backend_args: Where the folder is, as ``mmengine.fileio`` takes it.

    Raises:
        VideoError: If there is no such folder, or no frame in it.
    """

    def __init__(self,
                 path: str,
                 template: str = 'img_{:05d}.jpg',
                 first: int = 1,
                 total: int | None = None,
                 backend_args: dict | None = None) -> None:
        self.path = path
        self._template = template
        self._first = first
        self._load = LoadCheckedImage(backend_args=backend_args).read
        if total is None:
            total = self._count(backend_args)
        if total < 1:
            raise VideoError(f'video {path} has no frame; expected are files '
                             f'{template.format(first)}, ...')
        self._length = total

    def __enter__(self) -> 'FrameFolder':
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def __len__(self) -> int:
        """The number of frames."""
        return self._length

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read frames, numbered from 0: (N, H, W, 3) uint8, RGB.

        Raises:
            ImageError: If one of them is missing or damaged.
            VideoError: If they differ in size.
        """
        pictures: dict[int, np.ndarray] = {}
        for number in np.unique(indices).tolist():
            name = self._template.format(self._first + number)
            bgr = self._load(f'{self.path}/{name}')
            pictures[number] = bgr[..., ::-1]
        sizes = {picture.shape for picture in pictures.values()}
        if len(sizes) > 1:
            raise VideoError(f'the frames in {self.path} differ in size: '
                             f'{sorted(sizes)} (height, width, channels)')
        return np.stack([pictures[number] for number in np.asarray(indices)])

    def _count(self, backend_args: dict | None) -> int:
        before, after = re.split(r'\{.*?\}', self._template)
        name = re.compile(re.escape(before) + r'\d+' + re.escape(after))
        if not fileio.isdir(self.path, backend_args):
            raise VideoError(
                f'video {self.path} cannot be opened: no such folder')
        files = fileio.list_dir_or_file(
            self.path, list_dir=False, backend_args=backend_args)
        return sum(1 for file in files if name.fullmatch(Path(file).name))


@TRANSFORMS.register_module()
class LoadVideoClip(BaseTransform):
    """Choose the frames of a clip and decode them.

    Args:
        sampler: Config of a sampler (``projects.video.sampling``), or a
            function of a video's number of frames, ``clip`` and ``clips``.
        on_error: What to do with a video that is missing or unreadable, a
            policy of ``FailurePolicy``: 'stop' or 'skip'.
        threads: Threads that decode one video, at most. Loaders have worker
            processes, so one is right for training.
        backend_args: Where the files are, as ``mmengine.fileio`` takes it.

    Raises:
        VideoError: For an unreadable video if ``on_error`` is 'stop', and for
            the last of 100 in a row if it is 'skip'.
    """

    def __init__(self,
                 sampler: dict | Callable[..., np.ndarray],
                 on_error: str = 'stop',
                 threads: int = 1,
                 backend_args: dict | None = None) -> None:
        self.sampler = TASK_UTILS.build(sampler) if isinstance(
            sampler, dict) else sampler
        self.policy = FailurePolicy(on_error, 'videos')
        self.threads = threads
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict | None:
        """Add ``clip``, (T, H, W, 3) uint8 RGB, and ``frame_indices``.

        Args:
            results: ``video_path``; and if it is a folder of frames,
                ``frame_template``, ``first_frame`` and ``total_frames``. If
                there are several clips, ``clip_index`` and ``num_clips``.

        Returns:
            None if the video is skipped.
        """
        try:
            self._read(results)
        except (VideoError, ImageError) as error:
            place = results.get('listed_at')
            self.policy.failed(
                VideoError(
                    f'{error} (listed at {place})' if place else str(error)))
            return None
        self.policy.succeeded()
        return results

    def _read(self, results: dict) -> None:
        with self._open(results) as video:
            indices = self.sampler(
                len(video),
                clip=results.get('clip_index', 0),
                clips=results.get('num_clips', 1))
            clip = video.read(indices)
        results.update(
            clip=clip,
            frame_indices=indices,
            ori_shape=clip.shape[1:3],
            img_shape=clip.shape[1:3])

    def _open(self, results: dict) -> VideoReader | FrameFolder:
        path = results['video_path']
        if results.get('frame_template') is None:
            return VideoReader(path, self.threads, self.backend_args)
        return FrameFolder(path, results['frame_template'],
                           results['first_frame'], results['total_frames'],
                           self.backend_args)

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(sampler={self.sampler}, '
                f'on_error={self.policy.on_error!r}, threads={self.threads})')
