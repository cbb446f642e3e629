"""Parts of the detectors that mmdet lacks; importing registers them."""
from projects.common.norm import EmptySafeSyncBN

from .annotations import CheckedCocoDataset
from .feature_pyramid import SimpleFeaturePyramid
from .full_precision import FullPrecisionRoIExtractor, FullPrecisionRPNHead
from .layer_decay import ViTDetLayerDecay
from .mask_head import SquareImageMaskHead
from .transforms import DiagonalRandomCrop

__all__ = [
    'CheckedCocoDataset', 'DiagonalRandomCrop', 'EmptySafeSyncBN',
    'FullPrecisionRPNHead', 'FullPrecisionRoIExtractor',
    'SimpleFeaturePyramid', 'SquareImageMaskHead', 'ViTDetLayerDecay'
]
