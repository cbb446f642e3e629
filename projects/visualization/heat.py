"""Numbers on a grid as colours.

Shapes: Y and X rows and columns of the grid, H and W pixels.
"""
import matplotlib
import numpy as np
from PIL import Image, ImageOps


def heat(values_YX: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Viridis from the smallest to the largest value, cells as blocks.

    Args:
        values_YX: The numbers.
        size: Width and height of the picture in pixels.

    Returns:
        uint8 RGB (H, W, 3).
    """
    low, high = values_YX.min(), values_YX.max()
    unit_YX = (values_YX - low) / max(high - low, np.finfo(np.float32).tiny)
    rgb = matplotlib.colormaps['viridis'](unit_YX, bytes=True)[..., :3]
    return np.asarray(
        Image.fromarray(rgb).resize(size, Image.Resampling.NEAREST))


def framed(picture: np.ndarray, colour: str, width: int = 6) -> np.ndarray:
    """A picture (H, W, 3) with a border of a colour around it."""
    return np.asarray(ImageOps.expand(Image.fromarray(picture), width, colour))


def over(colours: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """A heat map laid over a picture, both uint8 RGB (H, W, 3)."""
    mean = (colours.astype(np.uint16) + picture) // 2
    return mean.astype(np.uint8)
