"""Videos for mmpretrain; importing it registers the classes."""
from .dataset import ListedVideos
from .lists import ListError
from .loading import FrameFolder, LoadVideoClip
from .metric import MultiViewAccuracy
from .reader import VideoError, VideoReader
from .sampling import (DenseFrames, DenseTestFrames, SegmentFrames, SpanFrames,
                       UniformTestFrames)
from .transforms import (ClipMultiScaleCrop, ClipRandomErasing, ClipRandomRoll,
                         ClipResizeShort, ClipViewCrop, OnEveryFrame, PackClip)

__all__ = [
    'ClipMultiScaleCrop', 'ClipRandomErasing', 'ClipRandomRoll',
    'ClipResizeShort', 'ClipViewCrop', 'DenseFrames', 'DenseTestFrames',
    'FrameFolder', 'ListError', 'ListedVideos', 'LoadVideoClip',
    'MultiViewAccuracy', 'OnEveryFrame', 'PackClip', 'SegmentFrames',
    'SpanFrames', 'UniformTestFrames', 'VideoError', 'VideoReader'
]
