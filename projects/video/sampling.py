"""Which frames of a video make a clip.

The rules are VideoMAE's, which VideoConvMAE follows (arXiv:2205.03892,
section 2.4). All return numbers of existing frames, whatever the video's
length: what is missing at the end of a short video is repeated.
"""
import numpy as np
from mmengine.registry import TASK_UTILS


@TASK_UTILS.register_module()
class DenseFrames:
    """Every ``stride``-th frame from a random start; for pretraining.

    A video shorter than the span of ``num_frames * stride`` starts at its
    first frame; where a step would go beyond the last frame but one, the
    frame before is repeated.

    Args:
        num_frames: Frames of a clip.
        stride: Distance between them: 4 for Kinetics, 2 for
            Something-Something.
    """

    def __init__(self, num_frames: int = 16, stride: int = 4) -> None:
        self.num_frames, self.stride = num_frames, stride

    def __call__(self,
                 total: int,
                 clip: int = 0,
                 clips: int = 1) -> np.ndarray:
        """Frame numbers, (num_frames, ), of a video of ``total`` frames."""
        span = self.num_frames * self.stride
        steps = np.arange(self.num_frames)
        if total < span:
            return self.stride * steps.clip(
                max=max(0, (total - 2) // self.stride))
        return np.random.randint(total - span + 1) + self.stride * steps


@TASK_UTILS.register_module()
class SpanFrames:
    """Frames spread evenly over a random span; fine-tuning on Kinetics.

    The span ends before a frame drawn from [span, total), and the clip's
    frames lie evenly from its first frame to that end. A video of no more
    than ``span`` frames gives one of every ``span / num_frames``, then its
    last frame again.

    Args:
        num_frames: Frames of a clip.
        span: Frames over which they are spread.
    """

    def __init__(self, num_frames: int = 16, span: int = 64) -> None:
        self.num_frames, self.span = num_frames, span

    def __call__(self,
                 total: int,
                 clip: int = 0,
                 clips: int = 1) -> np.ndarray:
        """Frame numbers, (num_frames, ), of a video of ``total`` frames."""
        if total <= self.span:
            count = total * self.num_frames // self.span
            start, end = 0, total
            frames = np.concatenate([
                np.linspace(0, total, count),
                np.full(self.num_frames - count, total)
            ])
        else:
            end = np.random.randint(self.span, total)
            start = end - self.span
            frames = np.linspace(start, end, self.num_frames)
        return frames.clip(start, end - 1).astype(np.int64)


@TASK_UTILS.register_module()
class SegmentFrames:
    """A random frame of each of equal segments; Something-Something.

    What is left over at the end is in no segment. Of a video with fewer
    frames than segments, as many random frames are taken, in order.

    Args:
        num_frames: Frames of a clip, and segments.
    """

    def __init__(self, num_frames: int = 16) -> None:
        self.num_frames = num_frames

    def __call__(self,
                 total: int,
                 clip: int = 0,
                 clips: int = 1) -> np.ndarray:
        """Frame numbers, (num_frames, ), of a video of ``total`` frames."""
        length = total // self.num_frames
        if length == 0:
            return np.sort(np.random.randint(total, size=self.num_frames))
        return length * np.arange(self.num_frames) + np.random.randint(
            length, size=self.num_frames)


@TASK_UTILS.register_module()
class DenseTestFrames:
    """Clips of every ``stride``-th frame, spread evenly; tests on Kinetics.

    The frames 0, stride, 2 stride ... are numbered anew, the last repeated
    until there are ``num_frames``. Clip c is ``num_frames`` of these in a
    row, from c times their rest divided by the number of clips less one.

    Args:
        num_frames: Frames of a clip.
        stride: Distance between them.
    """

    def __init__(self, num_frames: int = 16, stride: int = 4) -> None:
        self.num_frames, self.stride = num_frames, stride

    def __call__(self,
                 total: int,
                 clip: int = 0,
                 clips: int = 1) -> np.ndarray:
        """Frame numbers, (num_frames, ), of clip ``clip`` of ``clips``."""
        frames = np.arange(0, total, self.stride)
        rest = max(len(frames) - self.num_frames, 0)
        start = int(clip * (rest / max(clips - 1, 1)))
        places = start + np.arange(self.num_frames)
        return frames[places.clip(max=len(frames) - 1)]


@TASK_UTILS.register_module()
class UniformTestFrames:
    """Frames spread over the whole video; tests on Something-Something.

    The start and the centre of each of ``num_frames`` equal segments, in
    order; clip c is every second one of them, from the c-th.

    Args:
        num_frames: Frames of a clip, and segments.
    """

    def __init__(self, num_frames: int = 16) -> None:
        self.num_frames = num_frames

    def __call__(self,
                 total: int,
                 clip: int = 0,
                 clips: int = 2) -> np.ndarray:
        """Frame numbers, (num_frames, ), of clip ``clip`` of ``clips``.

        Raises:
            ValueError: If ``clips`` is more than 2.
        """
        if clips > 2:
            raise ValueError(
                f'UniformTestFrames has two clips per video, not {clips}; '
                'set num_clips=2 in the data set')
        length = total / self.num_frames
        steps = length * np.arange(self.num_frames)
        frames = np.concatenate([length / 2 + steps, steps]).astype(np.int64)
        return np.sort(frames)[clip::2]
