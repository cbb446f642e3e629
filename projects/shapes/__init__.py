"""Drawn scenes of simple shapes, as values, pictures and data sets."""

from .dataset import PARTS, SIZES, Recipe, make_dataset, read_meta
from .motion import MOTIONS, Motion
from .outlines import CLASSES
from .rendering import Picture, render
from .scene import Paint, Scene, Thing

__all__ = [
    'CLASSES', 'MOTIONS', 'Motion', 'PARTS', 'Paint', 'Picture', 'Recipe',
    'SIZES', 'Scene', 'Thing', 'make_dataset', 'read_meta', 'render'
]
