"""ConvMAE (arXiv:2205.03892); importing registers its parts."""
import projects.common  # noqa: F401  (registers the shared parts)

from .backbone import ConvViT
from .neck import MultiScaleDecoder

__all__ = ['ConvViT', 'MultiScaleDecoder']
