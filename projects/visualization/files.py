"""PNG files that pictures are written to."""
import os
from pathlib import Path

from PIL import Image


def check_png(out: str) -> None:
    """Refuse to write a picture to anything but a PNG file.

    Raises:
        ValueError: If the name has another ending.
    """
    if Path(out).suffix.lower() != '.png':
        raise ValueError(f'--out is {out}; a file name ending in .png is '
                         'expected')


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG that is never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.tmp')
    try:
        image.save(temporary, format='PNG')
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
