"""Videos for mmpretrain; importing it registers the classes."""
from .batch_augments import ClipCutMix
from .dataset import ListedVideos
from .lists import ListError
from .loading import FrameFolder, LoadVideoClip
from .metric import MultiViewAccuracy
from .reader import VideoError, VideoReader
from .sampling import (DenseFrames, DenseTestFrames, SegmentFrames, SpanFrames,
                       UniformTestFrames)
from .transforms import (ClipMultiScaleCrop, ClipRandomErasing,
                         ClipResizeShort, ClipViewCrop, OnEveryFrame, PackClip)

__all__ = [
    'ClipCutMix', 'ClipMultiScaleCrop', 'ClipRandomErasing', 'ClipResizeShort',
    'ClipViewCrop', 'DenseFrames', 'DenseTestFrames', 'FrameFolder',
    'ListError', 'ListedVideos', 'LoadVideoClip', 'MultiViewAccuracy',
    'OnEveryFrame', 'PackClip', 'SegmentFrames', 'SpanFrames',
    'UniformTestFrames', 'VideoError', 'VideoReader'
]
