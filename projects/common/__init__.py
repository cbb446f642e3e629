"""Model parts that several projects share; importing registers them."""
from .layer_decay import BackboneLayerDecay
from .masked_autoencoder import MaskedAutoencoder
from .masking import (DisjointTokenMasking, RandomTokenMasking, TokenMask,
                      TubeTokenMasking)
from .pixel_head import MaskedPixelHead
from .token_pooling import TokenPooling

__all__ = [
    'BackboneLayerDecay', 'DisjointTokenMasking', 'MaskedAutoencoder',
    'MaskedPixelHead', 'RandomTokenMasking', 'TokenMask', 'TokenPooling',
    'TubeTokenMasking'
]
