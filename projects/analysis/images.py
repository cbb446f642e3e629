"""Reading single images for analysis and pictures."""
from pathlib import Path
from typing import Any

from mmengine.dataset import Compose


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
