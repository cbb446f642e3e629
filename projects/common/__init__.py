"""Model parts that several projects share; importing registers them."""
from .crop import ClampedResizedCrop, FastResizedCrop
from .knn import KNNTestLoop, KNNValLoop
from .lars import ReferenceLARS
from .layer_decay import BackboneLayerDecay
from .masked_autoencoder import MaskedAutoencoder
from .masking import (DisjointTokenMasking, IndependentTokenMasking,
                      RandomTokenMasking, TokenMask, TubeTokenMasking)
from .norm import EmptySafeSyncBN
from .pixel_head import MaskedPixelHead
from .token_pooling import TokenPooling

__all__ = [
    'BackboneLayerDecay', 'ClampedResizedCrop', 'DisjointTokenMasking',
    'FastResizedCrop', 'EmptySafeSyncBN', 'IndependentTokenMasking',
    'KNNTestLoop', 'KNNValLoop', 'MaskedAutoencoder', 'MaskedPixelHead',
    'RandomTokenMasking', 'ReferenceLARS', 'TokenMask', 'TokenPooling',
    'TubeTokenMasking'
]
