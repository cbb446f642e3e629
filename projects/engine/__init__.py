"""What Glimpse adds to mmengine; importing it registers the classes.

It also registers checkpoint loaders that never execute code from a file, in
place of mmengine's.
"""
from .amp import CpuAmpOptimWrapper
from .checkpoint_io import CheckpointError, find_checkpoint, load_file
from .hooks import (CrashSafeCheckpointHook, LazyRuntimeInfoHook,
                    NonFiniteLossError)
from .loading import ImageError, LoadCheckedImage
from .loops import ResumableEpochTrainLoop, ResumableIterTrainLoop
from .runner import GlimpseRunner

__all__ = [
    'CheckpointError', 'CpuAmpOptimWrapper', 'CrashSafeCheckpointHook',
    'GlimpseRunner', 'ImageError', 'LazyRuntimeInfoHook', 'LoadCheckedImage',
    'NonFiniteLossError',
    'ResumableEpochTrainLoop', 'ResumableIterTrainLoop', 'find_checkpoint',
    'load_file'
]
