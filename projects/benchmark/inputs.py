"""Random images and annotations for any kind of model.

Speed does not depend on what the images show; real files are the business of
``dataloader`` and ``decode``.
"""
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData, PixelData
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample
from torch import Tensor, nn

OBJECTS = 8  # in an image: COCO has 7.3 on average


def random_batch(model: nn.Module, batch: int,
                 shape: tuple[int, ...]) -> dict[str, Any]:
    """What a data loader gives to such a model.

    Args:
        model: Its kind decides the annotations.
        batch: Number of images.
        shape: Their size in pixels, (height, width).

    Returns:
        ``inputs``, uint8 (C, *shape) of each image, and ``data_samples``.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(
        256, (batch, 3, *shape), dtype=torch.uint8, generator=generator)
    if hasattr(model, 'roi_head'):
        classes = model.roi_head.bbox_head.num_classes
        return dict(
            inputs=list(images),
            data_samples=[
                _detection(shape, classes, generator) for _ in images
            ])
    if hasattr(model, 'decode_head'):
        classes = model.decode_head.num_classes
        return dict(
            inputs=list(images),
            data_samples=[
                _segmentation(shape, classes, generator) for _ in images
            ])
    samples = [DataSample(metainfo=_sizes(shape)) for _ in images]
    if not isinstance(model, BaseSelfSupervisor):
        classes = getattr(model.head, 'num_classes', 2)
        for sample in samples:
            label = torch.randint(classes, (1, ), generator=generator)
            sample.set_gt_label(label)
    return dict(inputs=images, data_samples=samples)


def _sizes(shape: tuple[int, ...]) -> dict[str, Any]:
    return dict(
        img_shape=shape,
        ori_shape=shape,
        pad_shape=shape,
        batch_input_shape=shape,
        scale_factor=(1., 1.))


def _detection(shape: tuple[int, ...], classes: int,
               generator: torch.Generator) -> DetDataSample:
    """Rectangular objects."""
    height, width = shape
    side = torch.tensor([width, height])
    corners = torch.rand(OBJECTS, 2, generator=generator) * side * 0.7
    sizes = (0.05 + torch.rand(OBJECTS, 2, generator=generator) * 0.25) * side
    boxes = torch.cat([corners, corners + sizes], dim=1)
    masks = np.zeros((OBJECTS, height, width), np.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist()):
        mask[top:bottom, left:right] = 1
    sample = DetDataSample(metainfo=_sizes(shape))
    sample.gt_instances = InstanceData(
        bboxes=boxes,
        labels=torch.randint(classes, (OBJECTS, ), generator=generator),
        masks=BitmapMasks(masks, height, width))
    sample.ignored_instances = InstanceData(
        bboxes=boxes[:0], labels=torch.zeros(0, dtype=torch.int64))
    return sample


def _segmentation(shape: tuple[int, ...], classes: int,
                  generator: torch.Generator) -> SegDataSample:
    labels: Tensor = torch.randint(classes, (1, *shape), generator=generator)
    return SegDataSample(
        metainfo=_sizes(shape), gt_sem_seg=PixelData(data=labels))
