"""What Glimpse adds to mmengine; importing it registers the classes."""
from projects.common.safe_load import CheckpointError, load_file

from .amp import CpuAmpOptimWrapper
from .checkpoint_hook import CrashSafeCheckpointHook
from .checkpoint_io import find_checkpoint
from .frozen_features import FrozenFeatureTrainLoop
from .lmdb_backend import PackedBackend
from .loading import ImageError, LoadCheckedImage
from .loops import ResumableEpochTrainLoop, ResumableIterTrainLoop
from .losses import LazyRuntimeInfoHook, NonFiniteLossError
from .low_shot import LowShotDataset
from .non_finite import NonFiniteProbe
from .preemption import PreemptionHook
from .runner import GlimpseRunner
from .sharding import FullyShardStrategy

__all__ = [
    'CheckpointError', 'CpuAmpOptimWrapper', 'CrashSafeCheckpointHook',
    'FrozenFeatureTrainLoop', 'FullyShardStrategy', 'GlimpseRunner',
    'ImageError', 'LazyRuntimeInfoHook', 'LoadCheckedImage', 'LowShotDataset',
    'NonFiniteLossError', 'NonFiniteProbe', 'PackedBackend', 'PreemptionHook',
    'ResumableEpochTrainLoop', 'ResumableIterTrainLoop', 'find_checkpoint',
    'load_file'
]
