"""Uploads become small upright pictures, or are refused with a reason."""
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from projects.app.pictures import (EXAMPLES, MAX_BYTES, SHOWN, draw_example,
                                   read_picture, to_png)
from projects.engine.loading import ImageError


def encode(image: Image.Image, kind: str = 'PNG', **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def quarters(mode: str = 'RGB', size: int = 32) -> Image.Image:
    """Blue, red in the upper left quarter."""
    pixels = np.full((size, size, 3), (0, 0, 255), np.uint8)
    pixels[:size // 2, :size // 2] = 255, 0, 0
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP', 'GIF', 'BMP'])
def test_formats(kind: str) -> None:
    rgb = read_picture(encode(quarters(), kind))
    assert rgb.shape == (32, 32, 3) and rgb.dtype == np.uint8
    assert rgb[4, 4, 0] > 200 > 60 > rgb[4, 4, 2]
    assert rgb[28, 28, 2] > 200 > 60 > rgb[28, 28, 0]


@pytest.mark.parametrize('kind', ['TIFF', 'EPS', 'PPM', 'ICO', 'PDF', 'TGA'])
def test_other_formats_are_not_decoded(kind: str) -> None:
    """Pillow could; PostScript would even start another program."""
    with pytest.raises(ImageError, match='Accepted are JPEG, PNG'):
        read_picture(encode(quarters(), kind))


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    rgb = read_picture(encode(quarters(), 'JPEG', exif=exif))
    assert rgb[28, 28, 0] > 200 and rgb[4, 4, 2] > 200


def test_large_pictures_are_made_smaller() -> None:
    rgb = read_picture(encode(Image.new('RGB', (3000, 1500), 'red')))
    assert rgb.shape == (SHOWN // 2, SHOWN, 3)
    assert (rgb == (255, 0, 0)).all()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says to hold so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + name + data + struct.pack(
            '>I', zlib.crc32(name + data))

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) +
            chunk(b'IDAT', zlib.compress(b'\0' * 1000)) + chunk(b'IEND', b''))


@pytest.mark.parametrize('content, message', [
    (b'', 'empty'),
    (b'\0' * (MAX_BYTES + 1), f'more than {MAX_BYTES} bytes'),
    (b'hello', 'not an image'),
    (encode(quarters())[:-40], 'truncated, damaged'),
    (encode(quarters(), 'JPEG')[:300], 'truncated, damaged'),
    (bomb(6000, 6000), '6000 x 6000 pixels, more than'),
    (bomb(2**31 - 1, 2**31 - 1), 'pixels'),
    (bomb(300, 300), 'truncated, damaged'),
    (encode(Image.new('L', (6000, 6000))), '6000 x 6000 pixels, more than'),
    (encode(Image.new('RGB', (400, 90))), 'more than 4 times as long'),
    (encode(Image.new('RGB', (9, 9))), 'at least 16 along each side'),
])
def test_bad_uploads_are_named(content: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_picture(content)


def test_examples_are_read_back_as_they_were_drawn() -> None:
    for name in EXAMPLES:
        rgb = draw_example(name)
        assert (rgb == draw_example(name)).all()
        assert (read_picture(to_png(rgb)) == rgb).all()
        assert len(np.unique(rgb.reshape(-1, 3), axis=0)) > 100
