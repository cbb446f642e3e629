"""Any frames of a video, exactly, decoding little else.

All packets (compressed frames) are read first; that costs no decoding and
gives every frame's time and the key frames. To get a frame, its packet and
those before it from the last key frame are decoded. Nothing is sought in the
file, so containers that seek imprecisely, or not at all, make no difference.

Frames are counted in the order of presentation, from 0, whatever their times
are: a variable frame rate needs no special treatment.
"""
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from mmengine import fileio

from projects.engine.loading import MAX_PIXELS

# A Matroska file ends this many seconds before its header says, or it is cut.
_SLACK = 0.5


class VideoError(ValueError):
    """A file that cannot be used as a video."""


class VideoReader:
    """The frames of the first video stream of a file.

    To be used in a ``with`` statement, which closes the file.

    Args:
        path: The file.
        threads: Threads that decode, at most.
        backend_args: Where the file is, as ``mmengine.fileio`` takes it;
            None: on this machine.
        max_pixels: Larger frames are refused before they are decoded.

    Raises:
        VideoError: If the file is missing, damaged or incomplete, or has no
            video stream or no frame; it names the file.
    """

    def __init__(self,
                 path: str,
                 threads: int = 1,
                 backend_args: dict | None = None,
                 max_pixels: int = MAX_PIXELS) -> None:
        self.path = path
        self.max_pixels = max_pixels
        with self._named():
            source = path if backend_args is None else BytesIO(
                fileio.get(path, backend_args))
            self._container = av.open(source, metadata_errors='replace')
        try:
            with self._named():
                self._open_stream(threads)
                self._read_packets()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> 'VideoReader':
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        self._container.close()

    def __len__(self) -> int:
        """The number of frames."""
        return self._length

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Decode frames.

        Args:
            indices: Their numbers, each in [0, len(self)), in any order, also
                repeated.

        Returns:
            (N, H, W, 3) uint8, RGB, upright.

        Raises:
            VideoError: If one of them cannot be decoded.
            IndexError: If there is no such frame.
        """
        indices = np.asarray(indices, np.int64)
        wanted = np.unique(indices)
        if not len(wanted) or wanted[0] < 0 or wanted[-1] >= len(self):
            raise IndexError(f'{self.path} has frames 0 to {len(self) - 1}; '
                             f'asked for {indices.tolist()}')
        with self._named():
            frames = self._decode_by_time(wanted) if self._has_times else None
            if frames is None:
                frames = self._decode_in_order(wanted)
        pictures = {number: self._picture(frames[number]) for number in frames}
        return np.stack([pictures[number] for number in indices.tolist()])

    def _open_stream(self, threads: int) -> None:
        streams = [
            stream for stream in self._container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not streams:
            kinds = sorted({s.type for s in self._container.streams})
            raise VideoError(f'video {self.path} has no video stream; in it '
                             f'is {", ".join(kinds) or "nothing"}')
        self._stream = streams[0]
        self._context = self._stream.codec_context
        if self._context is None:
            raise VideoError(f'video {self.path} has a codec that FFmpeg '
                             'does not know, or is damaged')
        self._check_size()
        # also for a size that changes in the middle of the stream
        self._context.options = dict(max_pixels=str(self.max_pixels))
        self._context.thread_count = threads
        self._context.thread_type = 'AUTO'

    def _check_size(self) -> None:
        height, width = self._context.height, self._context.width
        if height * width > self.max_pixels:
            raise VideoError(
                f'video {self.path} has frames of {height} x {width} pixels, '
                f'more than max_pixels={self.max_pixels}')

    def _read_packets(self) -> None:
        """Read all packets and put the frames in order of presentation."""
        end = 0.
        self._packets = []
        for packet in self._container.demux():
            if packet.size:
                if packet.stream is self._stream:
                    self._packets.append(packet)
                time = packet.pts if packet.pts is not None else packet.dts
                if time is not None and packet.time_base:
                    time += packet.duration or 0
                    end = max(end, float(time * packet.time_base))
        if not self._packets:
            raise VideoError(f'video {self.path} has no frame, or is cut')
        self._check_complete(end)

        shown = [
            place for place, packet in enumerate(self._packets)
            if not packet.is_discard and not self._is_hidden(packet)
        ]
        times = [self._packets[place].pts for place in shown]
        # AVI files hold none; what packets say then is a guess.
        self._has_times = (None not in times and len(set(times)) == len(times)
                           and self._container.format.name != 'avi')
        if self._has_times:
            # Place among the packets, by frame number
            self._places = sorted(
                shown, key=lambda place: self._packets[place].pts)
            self._length = len(shown)
        else:
            self._length = sum(1 for _ in self._decode(0, self._last))
        if not self._length:
            raise VideoError(f'video {self.path} has no frame, or is cut')

    @property
    def _last(self) -> int:
        return len(self._packets) - 1

    def _check_complete(self, end: float) -> None:
        """Refuse a file that has been cut.

        Args:
            end: When its last packet ends, in seconds.
        """
        found, kind = '', self._container.format.name
        said = self._stream.frames
        if 'mp4' in kind and said > len(self._packets):
            found = f'{len(self._packets)} of {said} frames are there'
        elif 'matroska' in kind and self._container.duration:
            duration = self._container.duration / av.time_base
            if end < duration - _SLACK:
                found = f'it ends at {end:.1f} s of {duration:.1f} s'
        if not found and any(packet.is_corrupt for packet in self._packets):
            found = 'a frame is damaged'
        if found:
            raise VideoError(
                f'video {self.path} is truncated or damaged: {found}')

    def _is_hidden(self, packet: av.Packet) -> bool:
        """Whether it holds a frame that is never shown (VP8 has such)."""
        if self._context.name != 'vp8':
            return False
        return not bytes(packet)[0] >> 4 & 1  # RFC 6386, section 9.1

    def _decode_by_time(self,
                        wanted: np.ndarray) -> dict[int, av.VideoFrame] | None:
        """Frames by number, from the key frames before them.

        Returns:
            None if they do not come out as the packets promise.
        """
        numbers = {
            self._packets[self._places[number]].pts: number
            for number in wanted.tolist()
        }
        frames = {}
        for first, last in self._runs(wanted):
            for frame in self._decode(first, last):
                if frame.pts in numbers and not frame.is_corrupt:
                    frames[numbers[frame.pts]] = frame
        return frames if len(frames) == len(wanted) else None

    def _runs(self, wanted: np.ndarray) -> list[tuple[int, int]]:
        """First and last packet of what has to be decoded, in pieces."""
        keys = [
            place for place, packet in enumerate(self._packets)
            if packet.is_keyframe
        ]
        runs: list[tuple[int, int]] = []
        for number in wanted.tolist():
            place = self._places[number]
            time = self._packets[place].pts
            # Frames that follow a key frame in the file but are shown before
            # it may need frames from before the key frame (open GOP).
            first = max(
                (key for key in keys
                 if key <= place and (self._packets[key].pts or 0) <= time),
                default=0)
            if runs and first <= runs[-1][1] + 1:
                runs[-1] = runs[-1][0], max(place, runs[-1][1])
            else:
                runs.append((first, place))
        return runs

    def _decode_in_order(self, wanted: np.ndarray) -> dict[int, av.VideoFrame]:
        """Frames by number, from the start of the video."""
        numbers, frames, count = set(wanted.tolist()), {}, 0
        for frame in self._decode(0, self._last):
            if count in numbers:
                if frame.is_corrupt:
                    raise VideoError(f'video {self.path} is truncated or '
                                     f'damaged: frame {count} is damaged')
                frames[count] = frame
            count += 1
            if not self._has_times and len(frames) == len(wanted):
                return frames
        if count != len(self):
            raise VideoError(
                f'video {self.path} is truncated or damaged: {count} of '
                f'{len(self)} frames can be decoded')
        return frames

    def _decode(self, first: int, last: int) -> Iterator[av.VideoFrame]:
        """Decode the packets from ``first`` to ``last``, both included."""
        if self._context.is_open:
            self._context.flush_buffers()
        for packet in self._packets[first:last + 1]:
            yield from self._context.decode(packet)
        yield from self._context.decode(None)

    def _picture(self, frame: av.VideoFrame) -> np.ndarray:
        """(H, W, 3) uint8 RGB, all of one size, turned as the file says."""
        self._check_size()  # which decoding may have told anew
        pixels = frame.to_ndarray(
            format='rgb24',
            width=self._context.width,
            height=self._context.height)
        return np.rot90(pixels, round(frame.rotation / 90))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the file in FFmpeg's errors."""
        try:
            yield
        except VideoError:
            raise
        except (FileNotFoundError, PermissionError,
                IsADirectoryError) as error:
            raise VideoError(f'video {self.path} cannot be opened: '
                             f'{error.strerror or error}') from None
        # IndexError: PyAV's, of a stream that begins in the middle
        except (FFmpegError, OSError, ValueError, IndexError) as error:
            raise VideoError(f'video {self.path} is truncated, damaged or not '
                             f'a video: {error}') from None
