"""Parts of segmentors that mmseg lacks; importing registers them."""
from .camvid import CamVidDataset
from .label_maps import LoadCheckedAnnotations

__all__ = ['CamVidDataset', 'LoadCheckedAnnotations']
