"""A scene is a value: what is where, in which colours.

Nothing here draws or chooses at random. A moving scene is a function of
time that returns scenes (``dataclasses.replace`` of centre, size, angle).
Lengths are in pixels, angles in radians (clockwise, as y points down), and
a pixel (column i, row j) covers [i, i + 1) x [j, j + 1).
"""

from dataclasses import dataclass
from typing import Literal

RGB = tuple[float, float, float]

Role = Literal['object', 'crowd', 'clutter']


@dataclass(frozen=True)
class Paint:
    """A linear gradient between two colours, or soft stripes of them.

    Args:
        start, end: RGB in [0, 1].
        angle: Direction from ``start`` to ``end``.
        period: Distance between stripes; None: one gradient across the
            whole thing.
    """
    start: RGB
    end: RGB
    angle: float = 0.0
    period: float | None = None


@dataclass(frozen=True)
class Thing:
    """One drawn thing.

    Args:
        kind: A key of ``OUTLINES``.
        center: Its centroid (x, y).
        size: Square root of its area.
        angle: Rotation of outline and paint.
        paint: Its colours.
        role: ``object``: annotated as an instance; ``crowd``: annotated
            together with its like; ``clutter``: not annotated.
    """
    kind: str
    center: tuple[float, float]
    size: float
    angle: float
    paint: Paint
    role: Role = 'object'


@dataclass(frozen=True)
class Scene:
    """A background and things on it, the last one on top."""
    height: int
    width: int
    background: Paint
    things: tuple[Thing, ...] = ()
