"""VideoConvMAE (arXiv:2205.03892, section 2.4); importing registers it."""
import projects.convmae  # noqa: F401  (registers the parts it shares)

from .backbone import VideoConvViT
from .data_preprocessor import ClipDataPreprocessor
from .inflate import Inflated

__all__ = ['ClipDataPreprocessor', 'Inflated', 'VideoConvViT']
