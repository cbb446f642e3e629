"""Repeat a training step from the file that ``NonFiniteProbe`` wrote."""
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import (BaseDataElement, InstanceData, LabelData,
                                 PixelData)
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample

from projects.common.safe_load import CheckpointError, load_file

from .non_finite import replay

# what batches hold besides tensors and plain values
BATCH_CLASSES = [
    BaseDataElement, BitmapMasks, DataSample, DetDataSample, HorizontalBoxes,
    InstanceData, LabelData, PixelData, PolygonMasks, SegDataSample
]


def replay_file(cfg: Config, path: str) -> str:
    """Repeat the step on the CPU in float32 and say what is not finite.

    Args:
        cfg: Config of the run.
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it holds something else.
        RuntimeError: If the weights are those of another model.
    """
    with torch.serialization.safe_globals(BATCH_CLASSES):
        bundle = load_file(path)
    needed = {'iteration', 'cause', 'state_dict', 'batch', 'random_state'}
    if not isinstance(bundle, dict) or not needed <= bundle.keys():
        raise CheckpointError(f'{path} was not written by --non-finite')
    init_default_scope(cfg.default_scope)
    cause = replay(MODELS.build(cfg.model), bundle)
    return (f'iteration {bundle["iteration"]}, found then: {bundle["cause"]}\n'
            f'found now: {cause or "everything is finite"}')
