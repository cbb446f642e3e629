"""Ground truth of a drawn scene: COCO annotations and ADE-style labels."""

import cv2
import numpy as np

from .outlines import CLASSES
from .rendering import NOBODY, Picture
from .scene import Scene

# A class has the same number as COCO category and as label value.
CLASS_IDS = {name: number for number, name in enumerate(CLASSES, start=1)}

# ADE20K's convention: label 0 is "other" and ignored (reduce_zero_label).
IGNORED_LABEL = 0
BACKGROUND_LABEL = len(CLASSES) + 1
LABEL_NAMES = (*CLASSES, 'background')

_MIN_AREA = 4  # visible pixels; a thinner rest is not worth an annotation
_FINE = 4  # outlines are traced on a grid this many times finer


def coco_annotations(scene: Scene, picture: Picture) -> list[dict]:
    """Visible objects, bottom to top, then one crowd for each class.

    Returns:
        COCO instance annotations without ``id`` and ``image_id``. An object
        without holes is polygons; a hole (a ring, or an object that lies
        within another) and a crowd need run lengths.
    """
    annotations = []
    crowds: dict[str, list[int]] = {}
    for index, thing in enumerate(scene.things):
        if thing.role == 'object':
            mask = picture.mask(index)
            if mask.sum() >= _MIN_AREA:
                annotations.append(_annotation(thing.kind, mask))
        elif thing.role == 'crowd':
            crowds.setdefault(thing.kind, []).append(index)
    for kind, indices in crowds.items():
        mask = picture.mask(*indices)
        if mask.sum() >= _MIN_AREA:
            annotations.append(_annotation(kind, mask, iscrowd=1))
    return annotations


def label_map(scene: Scene, picture: Picture) -> np.ndarray:
    """(H, W) uint8: class numbers from 1, and 0 on crowds and clutter."""
    values = [
        CLASS_IDS[thing.kind] if thing.role == 'object' else IGNORED_LABEL
        for thing in scene.things
    ]
    assert NOBODY == -1  # the last entry of the table
    return np.array([*values, BACKGROUND_LABEL], np.uint8)[picture.owner]


def _annotation(kind: str, mask: np.ndarray, iscrowd: int = 0) -> dict:
    polygons = None if iscrowd else _polygons(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = int(columns[0]), int(rows[0])
    return dict(
        category_id=CLASS_IDS[kind],
        area=int(mask.sum()),
        bbox=[x, y, int(columns[-1]) + 1 - x,
              int(rows[-1]) + 1 - y],
        iscrowd=iscrowd,
        segmentation=polygons or _run_lengths(mask))


def _polygons(mask: np.ndarray) -> list[list[float]] | None:
    """Outlines [x0, y0, x1, y1, ...] of the parts; None if one has a hole."""
    fine = np.kron(mask, np.ones((_FINE, _FINE), bool)).astype(np.uint8)
    curves, hierarchy = cv2.findContours(fine, cv2.RETR_CCOMP,
                                         cv2.CHAIN_APPROX_NONE)
    if (hierarchy[0, :, 3] >= 0).any():  # a curve with a parent is a hole
        return None
    polygons = []
    for curve in curves:
        # Corners of single pixels go, half a pixel is kept.
        curve = cv2.approxPolyDP(curve, _FINE / 2, closed=True)
        if len(curve) >= 3:
            points = (curve.reshape(-1) + 0.5) / _FINE
            polygons.append(points.round(2).tolist())
    return polygons or None


def _run_lengths(mask: np.ndarray) -> dict:
    """Uncompressed run lengths, as COCO's own files have them."""
    flat = mask.ravel(order='F').astype(np.int8)
    starts = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *starts, flat.size]).tolist()
    if flat[0]:  # the first run is of zeros
        counts.insert(0, 0)
    return dict(counts=counts, size=list(mask.shape))
