"""Moving scenes: a clip's class is what changes in it.

No single picture tells the class. A thing's place, rotation and size go
round in circles: what leaves on the left comes back on the right, what has
grown to the largest size starts again at the smallest. The point where a
clip starts is drawn evenly over the circle, so at every moment the thing's
place, rotation and size are distributed in the same way in every class.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .outlines import REACH
from .sample import one_object
from .scene import Scene, Thing

# Class -> what changes, and its direction.
_CHANGES = {
    'clockwise': ('turn', 1),
    'counterclockwise': ('turn', -1),
    'down': ('y', 1),
    'growing': ('growth', 1),
    'left': ('x', -1),
    'right': ('x', 1),
    'shrinking': ('growth', -1),
    'up': ('y', -1),
}

MOTIONS = tuple(_CHANGES)

# Outlines whose rotation shows: not the round ones, nor those that look the
# same after a quarter turn.
_KINDS = ('crescent', 'heart', 'triangle')

_SIZES = (0.2, 0.45)  # of the shorter side
_ROUNDS = (0.4, 0.8)  # of the circle, within a clip


@dataclass(frozen=True)
class Motion:
    """A scene with one moving thing, as a function of time.

    Args:
        scene: Background and thing; its place, angle and size are replaced.
        phases: Where each of ``x``, ``y``, ``turn``, ``growth`` starts on its
            circle, in [0, 1).
        kind: One of ``MOTIONS``.
        rounds: Part of the circle that is covered in a clip.
    """
    scene: Scene
    phases: dict[str, float]
    kind: str
    rounds: float

    def at(self, time: float) -> Scene:
        """The scene at a time from 0 (start of the clip) to 1 (its end)."""
        changing, sign = _CHANGES[self.kind]
        now = dict(self.phases)
        now[changing] = (now[changing] + sign * self.rounds * time) % 1
        height, width = self.scene.height, self.scene.width
        small, large = _SIZES
        thing = replace(
            self.scene.things[0],
            center=(now['x'] * width, now['y'] * height),
            angle=2 * math.pi * now['turn'],
            size=min(height, width) * small * (large / small)**now['growth'])
        return replace(self.scene, things=tuple(_around(thing, height, width)))


def one_motion(rng: np.random.Generator, kind: str, height: int,
               width: int) -> Motion:
    """A thing that moves in the given way.

    Args:
        rng: Source of every choice. Equal sources give equal first pictures
            whatever the class.
        kind: The class, one of ``MOTIONS``.
        height, width: Picture size.
    """
    scene = one_object(rng, _KINDS[rng.integers(len(_KINDS))], height, width)
    phases = {
        name: float(rng.random())
        for name in ('x', 'y', 'turn', 'growth')
    }
    return Motion(scene, phases, kind, float(rng.uniform(*_ROUNDS)))


def _around(thing: Thing, height: int, width: int) -> Iterator[Thing]:
    """The thing, and what of it comes in again on the opposite side."""
    reach = REACH * thing.size
    for dx in (-width, 0, width):
        for dy in (-height, 0, height):
            x, y = thing.center[0] + dx, thing.center[1] + dy
            if -reach < x < width + reach and -reach < y < height + reach:
                yield replace(thing, center=(x, y))
