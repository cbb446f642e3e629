"""See what the token under a point attends to."""
from dataclasses import dataclass

import numpy as np
from mmengine.config import Config
from torch import nn

from projects.analysis.encoders import Normalize, load_backbone
from projects.mimdet.backbone import MIMDetViT
from projects.visualization.attention import (STEP, attention_maps,
                                              mark_points, resized)
from projects.visualization.heat import heat, over

from ..parameters import Query, number
from .answer import Answer
from .kinds import takes_images

SIZES = (64, 320)  # least and largest shorter side of the image, in pixels
SIDE = 448  # of the drawn pictures at least, in pixels


@dataclass(frozen=True)
class Model:
    """A backbone and its normalisation of pixels."""
    backbone: nn.Module
    normalize: Normalize


def fits(cfg: Config) -> bool:
    """Whether the model of a config has a backbone for images."""
    return takes_images(cfg)


def load(cfg: Config, checkpoint: str | None) -> Model:
    """The backbone of a config; MIMDet's sees all tokens.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the checkpoint lacks a weight of the backbone.
    """
    backbone = load_backbone(cfg, checkpoint)
    if isinstance(backbone, MIMDetViT):
        backbone.sample_at_test(1.)
    return Model(backbone, Normalize(cfg))


def show(model: Model, rgb: np.ndarray, query: Query) -> Answer:
    """Draw attention of the last block, the mean over heads.

    Args:
        model: The model.
        rgb: uint8 (H, W, 3).
        query: ``x`` and ``y``, the point as shares of width and height;
            ``size``, the shorter side of what the model sees, in pixels.

    Raises:
        ValueError: If a parameter is wrong, or the last block attends in
            windows.
    """
    x, y = (number(query, name, 0, 1, 0.5) for name in 'xy')
    size = number(query, 'size', *SIZES, 224)
    image = resized(rgb, STEP * round(size / STEP))
    height, width = image.shape[:2]
    point = min(x * width, width - 1), min(y * height, height - 1)
    maps = attention_maps(model.backbone, model.normalize, image, [point])
    marked = mark_points(maps, SIDE)
    weights_YX = maps.maps_QYX[0]
    drawn = heat(weights_YX, marked.shape[1::-1])
    pictures = dict(point=marked, overlay=over(drawn, marked), attention=drawn)
    if maps.class_YX is not None:
        pictures['class token'] = heat(maps.class_YX, marked.shape[1::-1])
    rows, columns = weights_YX.shape
    return Answer(
        pictures,
        f'The model saw {width} x {height} pixels as {columns} x {rows} '
        f'tokens. The largest weight is {weights_YX.max():.1%}; if all were '
        f'equal, each would be {1 / weights_YX.size:.1%}.')
