"""Encode pictures and clips as the file kinds that real data sets contain."""

import io
from collections.abc import Callable, Iterable
from fractions import Fraction

import av
import numpy as np
from PIL import Image

_ORIENTATION_TAG = 0x0112


def _jpeg(image: Image.Image, **options) -> bytes:
    return _encode(image, 'JPEG', quality=92, **options)


def _encode(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _rotated(image: Image.Image, orientation: int) -> bytes:
    """Pixels lie on their side; the EXIF tag says how to put them upright."""
    stored = {
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = orientation
    return _jpeg(image.transpose(stored), exif=exif)


def _palette(image: Image.Image) -> bytes:
    image = image.quantize(64, method=Image.Quantize.MEDIANCUT)
    return _encode(image, 'PNG')


_ENCODERS: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    'jpeg': ('.jpg', _jpeg),
    'grayscale': ('.jpg', lambda image: _jpeg(image.convert('L'))),
    'palette': ('.png', _palette),
    'cmyk': ('.jpg', lambda image: _jpeg(image.convert('CMYK'))),
    'exif6': ('.jpg', lambda image: _rotated(image, 6)),
    'exif8': ('.jpg', lambda image: _rotated(image, 8)),
}

FILE_KINDS = tuple(_ENCODERS)


def encode_image(rgb: np.ndarray, kind: str = 'jpeg') -> tuple[str, bytes]:
    """Encode one picture.

    Args:
        rgb: (H, W, 3) uint8.
        kind: One of ``FILE_KINDS``.

    Returns:
        The file name's suffix and the file's bytes.

    Raises:
        ValueError: If ``kind`` is unknown.
    """
    if kind not in _ENCODERS:
        raise ValueError(
            f'unknown file kind {kind!r}; choose from {FILE_KINDS}')
    suffix, encode = _ENCODERS[kind]
    return suffix, encode(Image.fromarray(rgb))


def encode_labels(labels: np.ndarray) -> bytes:
    """A label map, (H, W) uint8, as a grayscale PNG."""
    return _encode(Image.fromarray(labels), 'PNG')


# Codec -> its pixel format and options. H.264 has B-frames and a key frame
# every dozen; it wants even sides, MPEG-4 takes any.
_VIDEO_CODECS: dict[str, dict[str, str]] = {
    'libx264': {
        'preset': 'veryfast',
        'crf': '18',
        'g': '12',
        'bf': '2',
        # For pictures this small its result varies from call to call.
        'x264-params': 'mbtree=0',
    },
    'mpeg4': {
        'qscale': '2',
        'flags': '+qscale',
        'g': '12',
        'bf': '2',
    },
}
_TICK = Fraction(1, 30_000)  # of a second: all that MPEG-4 can count


def encode_clip(frames: Iterable[tuple[Fraction, np.ndarray]],
                rate: Fraction,
                codec: str = 'libx264') -> bytes:
    """Encode a clip as mp4.

    Args:
        frames: Time in seconds and picture, (H, W, 3) uint8, of each frame,
            in order; at least one.
        rate: Frames per second, where none is left out.
        codec: 'libx264' for even sides, 'mpeg4' for any.

    Returns:
        The file's bytes, the same for the same pictures and FFmpeg release.
    """
    buffer = io.BytesIO()
    with av.open(
            buffer, 'w', format='mp4', options={'fflags': '+bitexact'}) as mp4:
        stream = mp4.add_stream(codec, rate=rate, options=_VIDEO_CODECS[codec])
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.thread_count = 1  # more change the bytes
        stream.codec_context.time_base = _TICK
        for time, rgb in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = rgb.shape[:2]
            frame = av.VideoFrame.from_ndarray(rgb)
            frame.pts, frame.time_base = round(time / _TICK), _TICK
            frame.duration = round(1 / rate / _TICK)
            mp4.mux(stream.encode(frame))
        mp4.mux(stream.encode(None))
    return buffer.getvalue()
