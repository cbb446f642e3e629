"""Small video files of every kind, written by PyAV."""
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def moving_picture(count: int,
                   height: int = 48,
                   width: int = 64,
                   seed: int = 0) -> np.ndarray:
    """(count, H, W, 3) uint8: coloured tiles that move to the left."""
    rng = np.random.default_rng(seed)
    tiles = rng.integers(
        0, 255, (height // 8 + 1, (width + count) // 8 + 1, 3), dtype=np.uint8)
    wide = tiles.repeat(8, 0).repeat(8, 1)
    return np.stack([wide[:height, i:i + width] for i in range(count)])


def write_video(path: Path,
                frames: np.ndarray,
                codec: str = 'libx264',
                times: list[int] | None = None,
                rotation: int = 0,
                container_options: dict[str, str] | None = None,
                pix_fmt: str = 'yuv420p',
                **options: str) -> Path:
    """Encode frames, (T, H, W, 3) uint8 RGB.

    Args:
        path: The file; its suffix chooses the container.
        frames: The pictures.
        codec: FFmpeg's name of the encoder.
        times: Of each frame, in 1/25 s; None: one after the other.
        rotation: Degrees by which players turn the picture, anticlockwise.
        container_options: Those of the container.
        pix_fmt: What the codec stores.
        **options: Those of the codec.
    """
    times = list(range(len(frames))) if times is None else times
    with av.open(str(path), 'w', options=container_options) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.pix_fmt = pix_fmt
        stream.height, stream.width = frames.shape[1:3]
        for time, picture in zip(times, frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))
            frame.pts, frame.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if rotation:
        _turn(path, rotation)
    return path


def _turn(path: Path, rotation: int) -> None:
    """Write a matrix into an mp4 file's track header (ISO 14496-12, 8.3.2).

    Args:
        path: The file.
        rotation: Degrees counterclockwise, a multiple of 90.
    """
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][rotation // 90 % 4]
    content = bytearray(path.read_bytes())
    start = content.index(b'tkhd') + 44
    values = [x << 16 for x in (cos, -sin, 0, sin, cos, 0, 0, 0)] + [1 << 30]
    content[start:start + 36] = struct.pack('>9i', *values)
    path.write_bytes(content)


def write_sound(path: Path, cover: bool = False) -> Path:
    """A file with a second of noise and no video, perhaps a cover picture."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('mp3' if cover else 'aac', rate=44100)
        picture = None
        if cover:
            picture = container.add_stream('png', rate=1)
            picture.pix_fmt, picture.width, picture.height = 'rgb24', 8, 8
            picture.disposition = av.stream.Disposition.attached_pic.value
        noise = np.random.default_rng(0).normal(size=(2, 44100)) / 9
        size = stream.codec_context.frame_size or 1152
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(np.zeros((8, 8, 3), np.uint8))
            container.mux(picture.encode(frame))
        for start in range(0, 44100 - size, size):
            sound = av.AudioFrame.from_ndarray(
                noise[:, start:start + size].astype(np.float32), 'fltp',
                'stereo')
            sound.sample_rate, sound.pts = 44100, start
            container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return path


def decode_all(path: Path) -> np.ndarray:
    """Plain sequential decoding: (T, H, W, 3) uint8 RGB."""
    with av.open(str(path)) as container:
        return np.stack([
            frame.to_ndarray(format='rgb24')
            for frame in container.decode(video=0)
        ])


def write_hidden(path: Path) -> Path:
    """A VP8 file, some of whose packets hold frames that are not shown.

    Encoders put there what later frames refer to. Here they are key frames
    again, half-way to the next frame, with the bit cleared that shows them.
    """
    shown = write_video(
        path.with_name('shown.webm'), moving_picture(40), 'libvpx', g='10')
    with av.open(str(shown)) as source, av.open(str(path), 'w') as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if not packet.size:
                continue
            content = bytearray(bytes(packet))
            times = [packet.pts]
            if packet.is_keyframe:
                times.append(packet.pts + 20)
            for time in times:
                copy = av.Packet(bytes(content))
                copy.pts = copy.dts = time
                copy.time_base, copy.stream = packet.time_base, stream
                copy.is_keyframe = packet.is_keyframe and time == packet.pts
                target.mux(copy)
                content[0] &= ~0x10
    return path
