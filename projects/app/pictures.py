"""Pictures from and for the browser.

What is uploaded comes from strangers: few formats are decoded, sizes are
limited before decoding, and nothing is written to the disk.
"""
from io import BytesIO

import numpy as np
from PIL import Image

from projects.engine.loading import ImageError, LoadCheckedImage
from projects.shapes import render
from projects.shapes.sample import one_object, several_objects

MAX_BYTES = 10 * 2**20
MAX_PIXELS = 25_000_000  # a photograph of 24 megapixels is welcome
MAX_ASPECT = 4  # models bring the shorter side to a size of theirs
MIN_SIDE = 16  # pixels
SHOWN = 1024  # longer side of what is kept of an upload, in pixels
FORMATS = ('JPEG', 'PNG', 'WEBP', 'GIF', 'BMP')
UPLOAD = 'that was uploaded'  # stands for a path in messages
EXAMPLES = dict(scene=7, object=9, rings=18, crowd=34)  # seeds
_SIDE = 256  # of the examples, in pixels

_reader = LoadCheckedImage(max_pixels=MAX_PIXELS, formats=FORMATS)


def read_picture(content: bytes) -> np.ndarray:
    """Decode an uploaded file.

    Args:
        content: All bytes of it.

    Returns:
        uint8 RGB (H, W, 3), upright, its longer side at most ``SHOWN``.

    Raises:
        ImageError: If it is too large, of another format, damaged, or of a
            shape that models cannot take.
    """
    if len(content) > MAX_BYTES:
        raise ImageError(f'the image has more than {MAX_BYTES} bytes')
    try:
        bgr = _reader.decode(UPLOAD, content)
    except ImageError as error:
        raise ImageError(f'{error}. Accepted are {", ".join(FORMATS)} of at '
                         f'most {MAX_PIXELS} pixels') from None
    height, width = bgr.shape[:2]
    short, long = sorted((height, width))
    if short < MIN_SIDE or long > MAX_ASPECT * short:
        raise ImageError(
            f'the image has {width} x {height} pixels; expected are at least '
            f'{MIN_SIDE} along each side, and no side more than {MAX_ASPECT} '
            'times as long as the other')
    picture = Image.fromarray(np.ascontiguousarray(bgr[..., ::-1]))
    picture.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def to_png(rgb: np.ndarray) -> bytes:
    """A uint8 RGB picture (H, W, 3) as the bytes of a PNG file."""
    file = BytesIO()
    Image.fromarray(rgb).save(file, 'PNG', compress_level=1)
    return file.getvalue()


def draw_example(name: str) -> np.ndarray:
    """One of the embedded pictures, uint8 RGB (H, W, 3).

    Args:
        name: A key of ``EXAMPLES``.
    """
    rng = np.random.default_rng(EXAMPLES[name])
    if name == 'object':
        return render(one_object(rng, 'star', _SIDE, _SIDE)).rgb
    feature = 'crowd' if name == 'crowd' else 'plain'
    return render(several_objects(rng, _SIDE, _SIDE, feature)).rgb
