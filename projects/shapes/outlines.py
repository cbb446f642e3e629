"""The outlines of the drawn things: closed curves of unit area.

Every outline encloses area 1 and has its centroid at the origin, so that
things of equal ``size`` cover equally many pixels whatever their class.
Coordinates are (x, y), y pointing down.
"""

import numpy as np

# An outline is one or more closed curves, each (N, 2); a curve within a
# curve is a hole (even-odd rule).
Outline = tuple[np.ndarray, ...]

_ROUND = 64  # points on a full circle: below a tenth of a pixel off at 100


def _arc(start: float, stop: float, radius: float = 1.0) -> np.ndarray:
    """Points on a circle about the origin, both ends included."""
    count = max(2, round(_ROUND * abs(stop - start) / (2 * np.pi)))
    angle = np.linspace(start, stop, count)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _circle(radius: float = 1.0) -> np.ndarray:
    return _arc(0, 2 * np.pi, radius)[:-1]


def _rectangle(width: float, height: float) -> np.ndarray:
    return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width, height)


def _spikes(radii: list[float]) -> np.ndarray:
    """Vertices at equal angles, the first one pointing up."""
    angle = 2 * np.pi * np.arange(len(radii)) / len(radii) - np.pi / 2
    return np.stack([radii * np.cos(angle), radii * np.sin(angle)], axis=1)


def _cross(arm: float) -> np.ndarray:
    a = arm
    quarter = np.array([[a, -1], [a, -a], [1, -a]])
    turn = np.array([[0, 1], [-1, 0]])  # by 90 degrees, as a row transform
    return np.concatenate(
        [quarter @ np.linalg.matrix_power(turn, k) for k in range(4)])


def _crescent(bite: float, shift: float) -> np.ndarray:
    """The unit disk without a disk of radius ``bite`` at (shift, 0)."""
    tip_x = (1 + shift**2 - bite**2) / (2 * shift)
    tip_y = np.sqrt(1 - tip_x**2)
    outer = np.arctan2(tip_y, tip_x)
    inner = np.arctan2(tip_y, tip_x - shift)
    back = _arc(2 * np.pi - inner, inner, bite) + (shift, 0)
    return np.concatenate([_arc(outer, 2 * np.pi - outer), back[1:-1]])


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    x = 16 * np.sin(t)**3
    y = (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) -
         np.cos(4 * t))
    return np.stack([x, -y], axis=1)


def _area_and_centroid(curve: np.ndarray) -> tuple[float, np.ndarray]:
    """Enclosed area and centroid (x, y) by the shoelace formula."""
    following = np.roll(curve, -1, axis=0)
    cross = (curve[:, 0] * following[:, 1] - following[:, 0] * curve[:, 1])
    area = cross.sum() / 2
    centroid = ((curve + following) * cross[:, None]).sum(0) / (6 * area)
    return abs(area), centroid


def _unit(curve: np.ndarray, *holes: np.ndarray) -> Outline:
    """Scale to area 1 and centre on the centroid (holes: concentric)."""
    area, centroid = _area_and_centroid(curve)
    area -= sum(_area_and_centroid(hole)[0] for hole in holes)
    return tuple((c - centroid) / np.sqrt(area) for c in (curve, *holes))


OUTLINES: dict[str, Outline] = {
    'circle': _unit(_circle()),
    'crescent': _unit(_crescent(bite=0.85, shift=0.55)),
    'cross': _unit(_cross(arm=0.34)),
    'heart': _unit(_heart()),
    'ring': _unit(_circle(), _circle(0.55)),
    'square': _unit(_rectangle(1, 1)),
    'star': _unit(_spikes([1, 0.45] * 5)),
    'triangle': _unit(_spikes([1] * 3)),
    # Clutter of the hard scenes: no class of its own.
    'bar': _unit(_rectangle(4, 1)),
    'ellipse': _unit(_circle() * (2, 1)),
    'lozenge': _unit(_spikes([2, 0.7] * 2)),
}

CLUTTER = ('bar', 'ellipse', 'lozenge')

CLASSES = tuple(name for name in OUTLINES if name not in CLUTTER)

# Radius of the smallest disk about the centroid that holds every class.
REACH = max(
    float(np.linalg.norm(curve, axis=1).max()) for name in CLASSES
    for curve in OUTLINES[name])
