"""MIMDet (arXiv:2204.02964); importing registers its parts."""
import projects.common  # noqa: F401  (registers the shared parts)

from .backbone import MIMDetViT
from .benchmarking_vit import BenchmarkingViT
from .data_preprocessor import PaddedDetDataPreprocessor, PaddedImages
from .detector import MultiPassMaskRCNN
from .learning_rates import MIMDetLearningRates
from .stem import ConvNeXtStem, ConvStem

__all__ = [
    'BenchmarkingViT', 'ConvNeXtStem', 'ConvStem', 'MIMDetLearningRates',
    'MIMDetViT', 'MultiPassMaskRCNN', 'PaddedDetDataPreprocessor',
    'PaddedImages'
]
