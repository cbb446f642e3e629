"""ExtreMA (arXiv:2206.04667); importing registers its parts."""
import projects.common  # noqa: F401  (registers the shared parts)

from .backbone import ClassAttentionViT
from .inpainting import TokenDecoder

__all__ = ['ClassAttentionViT', 'TokenDecoder']
