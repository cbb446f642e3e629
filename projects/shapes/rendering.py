"""Draw a scene: a pure function from a value to pixels and exact masks."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .outlines import OUTLINES
from .scene import Paint, Scene, Thing

NOBODY = -1  # owner of a background pixel

_SUPERSAMPLE = 8  # coverage is counted on a grid this many times finer
_FRACTION_BITS = 8  # sub-pixel bits of OpenCV's fixed-point coordinates


@dataclass(frozen=True)
class Picture:
    """A drawn scene.

    Args:
        rgb: (H, W, 3) uint8.
        owner: (H, W) int16, the index in ``scene.things`` of the topmost
            thing that covers at least half of the pixel, else ``NOBODY``.
    """
    rgb: np.ndarray
    owner: np.ndarray

    def mask(self, *things: int) -> np.ndarray:
        """(H, W) bool: where one of these things is visible."""
        return np.isin(self.owner, things)


def render(scene: Scene) -> Picture:
    """Draw the background, then every thing over what is there."""
    height, width = scene.height, scene.width
    image = _paint(
        scene.background,
        height,
        width,
        center=(width / 2, height / 2),
        length=math.hypot(height, width))
    owner = np.full((height, width), NOBODY, np.int16)
    for index, thing in enumerate(scene.things):
        coverage = _coverage(thing, height, width)
        paint = _paint(
            thing.paint,
            height,
            width,
            center=thing.center,
            length=1.5 * thing.size,
            turn=thing.angle)
        image += coverage[..., None] * (paint - image)
        owner[coverage >= 0.5] = index
    rgb = (image * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return Picture(rgb, owner)


def _coverage(thing: Thing, height: int, width: int) -> np.ndarray:
    """(H, W) float32: the part of each pixel that the thing covers."""
    cos, sin = math.cos(thing.angle), math.sin(thing.angle)
    rotate_scale = thing.size * np.array([[cos, sin], [-sin, cos]])
    curves = []
    for curve in OUTLINES[thing.kind]:
        points = curve @ rotate_scale + thing.center
        # OpenCV puts integer coordinates at pixel centres.
        points = points * _SUPERSAMPLE - 0.5
        curves.append(np.rint(points * 2**_FRACTION_BITS).astype(np.int32))
    fine = np.zeros((height * _SUPERSAMPLE, width * _SUPERSAMPLE), np.uint8)
    cv2.fillPoly(fine, curves, 255, shift=_FRACTION_BITS)
    coarse = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return coarse.astype(np.float32) / 255


def _paint(
    paint: Paint,
    height: int,
    width: int,
    center: tuple[float, float],
    length: float,
    turn: float = 0.0,
) -> np.ndarray:
    """(H, W, 3) float32 in [0, 1]: the paint spread over the whole image.

    Args:
        paint: The colours.
        height, width: Image size.
        center: The point (x, y) half-way between both colours.
        length: Distance over which ``start`` turns into ``end``.
        turn: Rotation of the thing that wears the paint.
    """
    angle = paint.angle + turn
    x = np.arange(width, dtype=np.float32) + np.float32(0.5 - center[0])
    y = np.arange(height, dtype=np.float32) + np.float32(0.5 - center[1])
    along = (
        np.float32(math.cos(angle)) * x[None] +
        np.float32(math.sin(angle)) * y[:, None])
    if paint.period is None:
        ramp = (along / np.float32(length) + np.float32(0.5)).clip(0, 1)
    else:
        phase = along / np.float32(paint.period)
        ramp = np.abs(2 * (phase - np.floor(phase)) - 1)  # triangle wave
    start = np.array(paint.start, np.float32)
    end = np.array(paint.end, np.float32)
    return start + ramp[..., None] * (end - start)
