"""Draw scenes by lot.

Colour, size, place and rotation are chosen in the same way for every class,
so that none of them gives the class away.
"""

import colorsys
import math
from collections.abc import Sequence

import numpy as np

from .outlines import CLASSES, CLUTTER, REACH
from .scene import RGB, Paint, Role, Scene, Thing

# What a scene of several objects can be asked to contain.
FEATURES = ('plain', 'tiny', 'border', 'crowd', 'empty')


def image_size(rng: np.random.Generator, nominal: int) -> tuple[int, int]:
    """Height and width: three in five ``nominal`` squares, the rest of any
    aspect ratio with sides from 5/6 to 4/3 of it."""
    if rng.random() < 0.6:
        return nominal, nominal
    height, width = rng.integers(
        nominal * 5 // 6, nominal * 4 // 3, size=2, endpoint=True)
    return int(height), int(width)


def one_object(rng: np.random.Generator,
               kind: str,
               height: int,
               width: int,
               hard: bool = False) -> Scene:
    """One whole object of the given class.

    Args:
        rng: Source of every choice.
        kind: The class, one of ``CLASSES``.
        height, width: Image size.
        hard: A small textured object in clutter, instead of a large one on
            a plain gradient.
    """
    background = _background(rng, hard)
    side = min(height, width)
    size = side * rng.uniform(*((0.18, 0.3) if hard else (0.3, 0.48)))
    center = _place(rng, REACH * size, height, width)
    clutter = _clutter(rng, background, height, width) if hard else ()
    thing = _thing(rng, kind, center, size, background, textured=hard)
    return Scene(height, width, background, (*clutter, thing))


def several_objects(rng: np.random.Generator,
                    height: int,
                    width: int,
                    feature: str = 'plain',
                    hard: bool = False) -> Scene:
    """One to five objects of any class, which may hide parts of each other.

    Args:
        rng: Source of every choice.
        height, width: Image size.
        feature: One of ``FEATURES``: ``tiny`` adds two objects of a few
            pixels, ``border`` one that the image border cuts, ``crowd`` a
            heap of small things of one class; ``empty`` has no object.
        hard: Smaller textured objects in clutter.

    Raises:
        ValueError: If ``feature`` is unknown.
    """
    if feature not in FEATURES:
        raise ValueError(
            f'unknown scene feature {feature!r}; choose from {FEATURES}')
    background = _background(rng, hard)
    things = list(_clutter(rng, background, height, width)) if hard else []
    if feature == 'empty':
        return Scene(height, width, background, tuple(things))

    side = min(height, width)
    if feature == 'crowd':
        things += _crowd(rng, background, height, width)
    low, high = (0.12, 0.25) if hard else (0.2, 0.38)
    sizes = side * rng.uniform(low, high, size=rng.integers(1, 6))
    # Large ones first: a small object is not buried under a large one.
    for size in sorted(sizes, reverse=True):
        center = _free_place(rng, things, size, height, width)
        if center is not None:
            things.append(
                _thing(rng, _any_class(rng), center, size, background, hard))
    if feature == 'border':
        size = side * high
        x = rng.choice([0.15 * size, width - 0.15 * size])
        center = (x, rng.uniform(0.2, 0.8) * height)
        things.append(_thing(rng, _any_class(rng), center, size, background))
    if feature == 'tiny':
        for _ in range(2):
            size = rng.uniform(4, 8)
            center = _free_place(rng, things, size, height, width)
            if center is not None:
                things.append(
                    _thing(rng, _any_class(rng), center, size, background))
    return Scene(height, width, background, tuple(things))


def _any_class(rng: np.random.Generator) -> str:
    return CLASSES[rng.integers(len(CLASSES))]


def _place(rng: np.random.Generator, margin: float, height: int,
           width: int) -> tuple[float, float]:
    """A point (x, y) at least ``margin`` from every border."""
    x = rng.uniform(margin, width - margin)
    y = rng.uniform(margin, height - margin)
    return x, y


def _free_place(rng: np.random.Generator, things: Sequence[Thing], size: float,
                height: int, width: int) -> tuple[float, float] | None:
    """A centre (x, y) from which at least about half of every thing stays
    visible, or None if twenty tries find none."""
    for _ in range(20):
        center = _place(rng, 0.45 * size, height, width)
        if all(
                math.dist(center, thing.center) > 0.45 * (size + thing.size)
                for thing in things if thing.role != 'clutter'):
            return center
    return None


def _crowd(rng: np.random.Generator, background: Paint, height: int,
           width: int) -> list[Thing]:
    """Some fifteen small things of one class, heaped in one place."""
    kind = _any_class(rng)
    spread = 0.13 * min(height, width)
    middle = rng.uniform(2 * spread, (width - 2 * spread, height - 2 * spread))
    crowd = []
    for _ in range(15):
        center = middle + spread * rng.normal(size=2).clip(-1.5, 1.5)
        size = rng.uniform(0.05, 0.08) * min(height, width)
        crowd.append(
            _thing(rng, kind, tuple(center), size, background, role='crowd'))
    return crowd


def _clutter(rng: np.random.Generator, background: Paint, height: int,
             width: int) -> list[Thing]:
    """Things that belong to no class."""
    clutter = []
    for _ in range(rng.integers(5, 11)):
        kind = CLUTTER[rng.integers(len(CLUTTER))]
        center = rng.uniform((0, 0), (width, height))
        size = min(height, width) * rng.uniform(0.08, 0.22)
        clutter.append(
            _thing(
                rng,
                kind,
                tuple(center),
                size,
                background,
                textured=True,
                role='clutter'))
    return clutter


def _thing(rng: np.random.Generator,
           kind: str,
           center: tuple[float, float],
           size: float,
           background: Paint,
           textured: bool = False,
           role: Role = 'object') -> Thing:
    """A thing at this place, its rotation and colours by lot."""
    paint = _object_paint(rng, background, size if textured else None)
    angle = rng.uniform(0, 2 * math.pi)
    center = (float(center[0]), float(center[1]))
    return Thing(kind, center, float(size), angle, paint, role)


def _background(rng: np.random.Generator, textured: bool) -> Paint:
    """Muted colours that change gently, or soft stripes."""
    start = _color(rng, saturation=(0, 0.6), value=(0.15, 1))
    end = _near(rng, start, 0.25)
    period = rng.uniform(8, 40) if textured and rng.random() < 0.5 else None
    return Paint(start, end, rng.uniform(0, 2 * math.pi), period)


def _object_paint(rng: np.random.Generator, background: Paint,
                  texture_scale: float | None) -> Paint:
    """Any colour that stands out, sometimes clearly, sometimes barely."""
    contrast = rng.uniform(0.12, 0.35)
    behind = np.add(background.start, background.end) / 2
    start = _color(rng, saturation=(0, 1), value=(0.1, 1))
    while np.abs(start - behind).mean() < contrast:
        start = _color(rng, saturation=(0, 1), value=(0.1, 1))
    period = None
    if texture_scale is not None and rng.random() < 0.5:
        period = texture_scale * rng.uniform(0.15, 0.4)
    end = _near(rng, start, 0.15)
    return Paint(start, end, rng.uniform(0, 2 * math.pi), period)


def _color(rng: np.random.Generator, saturation: tuple[float, float],
           value: tuple[float, float]) -> RGB:
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation),
                               rng.uniform(*value))


def _near(rng: np.random.Generator, color: RGB, distance: float) -> RGB:
    """A colour within ``distance`` in every channel."""
    moved = np.clip(color + rng.uniform(-distance, distance, 3), 0, 1)
    red, green, blue = moved.tolist()
    return red, green, blue
