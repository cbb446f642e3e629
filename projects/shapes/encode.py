"""Encode pictures as the file kinds that real data sets contain."""

import io
from collections.abc import Callable

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
