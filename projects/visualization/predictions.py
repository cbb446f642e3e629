"""Pictures of what detectors and segmentors find, beside the truth.

Drawn by mmdet's and mmseg's own visualizers.
"""
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import (DATASETS, MODELS, VISUALIZERS, DefaultScope,
                               init_default_scope)
from mmengine.structures import PixelData
from torch import nn

from projects.common.checkpoint import load_weights
from projects.engine.browse import drawable
from projects.engine.data_check import named_data

from .sheet import SheetRow, check_png, draw_sheet, save_png

COLUMNS = ('image', 'ground truth', 'prediction')
SCOPES = ('mmdet', 'mmseg')
_MIN_SIDE = 256  # pixels; smaller images are enlarged, for readable labels


@torch.no_grad()
def draw_predictions(cfg: Config,
                     checkpoint: str,
                     out: str,
                     num: int = 6,
                     score_thr: float = 0.3) -> list[str]:
    """Draw a sheet of test images, their annotations and the predictions.

    Args:
        cfg: Config of a detector or segmentor; its test set is drawn from.
        checkpoint: Path or URL of its checkpoint.
        out: The PNG file to write.
        num: Number of images, spread over the test set.
        score_thr: Detections of lower scores are left out.

    Returns:
        Names of the images' files.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the config is of another kind, a number is out of its
            range, or the checkpoint lacks weights.
    """
    check_png(out)
    scope = cfg.get('default_scope')
    if scope not in SCOPES:
        raise ValueError(f'default_scope is {scope!r}; configs of '
                         f'{" and ".join(SCOPES)} can be drawn')
    if num < 1:
        raise ValueError(f'--num is {num}; it must be positive')
    if not 0 <= score_thr <= 1:
        raise ValueError(f'--score-thr is {score_thr}; it must be in [0, 1]')
    init_default_scope(scope)
    with DefaultScope.overwrite_default_scope(scope):
        with named_data(cfg.test_dataloader.dataset):
            dataset = DATASETS.build(cfg.test_dataloader.dataset)
            dataset.full_init()
        model = load_model(cfg, checkpoint)
        drawer = build_drawer(cfg, dataset.metainfo)
        count = min(num, len(dataset))
        rows = [
            _draw_row(dataset[i * len(dataset) // count], model, drawer,
                      score_thr) for i in range(count)
        ]
    title = 'detections' if scope == 'mmdet' else 'label maps'
    save_png(draw_sheet(rows, COLUMNS, title), Path(out))
    return [row.caption for row in rows]


def build_drawer(cfg: Config, metainfo: dict) -> Any:
    """A config's visualizer, with the classes and colours of a data set."""
    drawer = VISUALIZERS.build({
        **cfg.visualizer, 'name': f'predictions-{id(cfg)}',
        'vis_backends': None
    })
    drawer.dataset_meta = metainfo
    return drawer


def load_model(cfg: Config, checkpoint: str | None) -> nn.Module:
    """The model of a config with all its trained weights.

    Args:
        cfg: Config of a detector or segmentor.
        checkpoint: Path or URL; None leaves the weights random.

    Raises:
        ValueError: If the checkpoint lacks any weight.
    """
    if 'data_preprocessor' in cfg:
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(cfg.model)
    if checkpoint is not None:
        load_weights(model, checkpoint, min_coverage=1., part='')
    return model.eval()


def _draw_row(sample: dict, model: nn.Module, drawer: Any,
              score_thr: float) -> SheetRow:
    """Test one image and draw it."""
    (result, ) = model.test_step(pseudo_collate([sample]))
    image_HWC = mmcv.imread(result.img_path, channel_order='rgb')
    image_HWC, result = readable(image_HWC, result)
    pictures = [image_HWC] + [
        paint(drawer, image_HWC, result, truth, score_thr)
        for truth in (True, False)
    ]
    return SheetRow(Path(result.img_path).name, pictures)


def readable(image_HWC: np.ndarray,
             sample: Any,
             side: int = _MIN_SIDE) -> tuple[np.ndarray, Any]:
    """A small image and its data sample, enlarged for readable labels.

    Args:
        image_HWC: The image.
        sample: The toolbox's data sample.
        side: Least side of the result, in pixels.
    """
    factor = -(-side // min(image_HWC.shape[:2]))
    return _enlarge(image_HWC, factor, 0,
                    1), _enlarged(drawable(sample), factor)


def paint(drawer: Any, image_HWC: np.ndarray, sample: Any, truth: bool,
          score_thr: float) -> np.ndarray:
    """What is annotated, or what was found, drawn on an image.

    Args:
        drawer: Of :func:`build_drawer`.
        image_HWC: uint8 RGB.
        sample: The toolbox's data sample; see :func:`readable`.
        truth: Draw the annotations, not the predictions.
        score_thr: Detections of lower scores are left out.
    """
    thr = dict(pred_score_thr=score_thr) if 'pred_instances' in sample else {}
    drawer.add_datasample(
        'sample', image_HWC, sample, draw_gt=truth, draw_pred=not truth, **thr)
    return drawer.get_image()


def _enlarged(sample: Any, factor: int) -> Any:
    """A data sample for an image enlarged ``factor`` times."""
    for name in ('gt_instances', 'pred_instances'):
        instances = sample.get(name)
        if instances is None or 'bboxes' not in instances:
            continue
        instances.bboxes = factor * instances.bboxes
        if 'masks' in instances:
            masks = instances.masks
            masks_NHW = masks.numpy() if isinstance(
                masks, torch.Tensor) else masks.to_ndarray()
            instances.masks = torch.from_numpy(
                _enlarge(masks_NHW.astype(bool), factor, 1, 2))
    for name in ('gt_sem_seg', 'pred_sem_seg'):
        label_map = sample.get(name)
        if label_map is not None:
            data = _enlarge(label_map.data.numpy(), factor, 1, 2)
            setattr(sample, name, PixelData(data=torch.from_numpy(data)))
    return sample


def _enlarge(array: np.ndarray, factor: int, *axes: int) -> np.ndarray:
    """Repeat every value ``factor`` times along the axes."""
    for axis in axes:
        array = array.repeat(factor, axis)
    return array
