"""Parts of segmentors that mmseg lacks; importing registers them."""
from .label_maps import LoadCheckedAnnotations

__all__ = ['LoadCheckedAnnotations']
