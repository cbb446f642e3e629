"""Image files that pictures are made of and written to."""
import os
from pathlib import Path
from typing import Any

from mmengine.dataset import Compose
from PIL import Image


def read_image(path: Path, load: dict) -> dict[str, Any]:
    """An image file as transforms take it: ``img``, uint8 BGR (H, W, 3).

    Args:
        path: The file.
        load: Config of the transform that reads it, the first of a pipeline.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read as an image.
    """
    if not path.is_file():
        raise FileNotFoundError(f'image {path} does not exist')
    try:
        loaded = Compose([load])(dict(img_path=str(path)))
    except Exception as error:  # whatever the decoder makes of a broken file
        raise ValueError(
            f'{path} cannot be read as an image: {error}') from error
    if loaded is None:
        raise ValueError(f'{path} cannot be read as an image')
    return loaded


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
