"""ExtreMA (arXiv:2206.04667); importing registers its parts."""
import projects.common  # noqa: F401  (registers the shared parts)

from .backbone import ClassAttentionViT
from .collapse import CollapseHook
from .contrast import CrossMaskInfoNCE
from .projection import ProjectionMLP
from .siamese import ExtreMA

__all__ = [
    'ClassAttentionViT', 'CollapseHook', 'CrossMaskInfoNCE', 'ExtreMA',
    'ProjectionMLP'
]
