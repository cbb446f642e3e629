"""Detect, with an encoder that sees a share of the tokens."""
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from PIL import Image
from torch import nn

from projects.mimdet.backbone import MIMDetViT
from projects.mimdet.data_preprocessor import PaddedImages
from projects.mimdet.encoder import PATCH, token_grid
from projects.visualization import predictions
from projects.visualization.reconstruction import GRAY

from ..parameters import Query, number
from .answer import Answer

SIDE = 400  # of the drawn picture at least, in pixels


@dataclass(frozen=True)
class Model:
    """A detector and what belongs to it.

    Attributes:
        model: The detector.
        pipeline: Its test pipeline without reading and annotations.
        drawer: Draws what it finds.
    """
    model: nn.Module
    pipeline: Compose
    drawer: Any


def fits(cfg: Config) -> bool:
    """Whether the model of a config is a detector."""
    return cfg.get('default_scope') == 'mmdet'


def load(cfg: Config, checkpoint: str | None) -> Model:
    """The detector of a config.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the checkpoint lacks any weight.
    """
    dataset = cfg.test_dataloader.dataset
    steps = [
        step for step in dataset.pipeline[1:]
        if not step['type'].endswith('Annotations')
    ]
    # the names of classes, without the data
    metainfo = DATASETS.get(dataset.type)._load_metainfo(
        dataset.get('metainfo'))
    return Model(
        predictions.load_model(cfg, checkpoint), Compose(steps),
        predictions.build_drawer(cfg, metainfo))


@torch.no_grad()
def show(model: Model, rgb: np.ndarray, query: Query) -> Answer:
    """Find objects in a picture.

    Args:
        model: The model.
        rgb: uint8 (H, W, 3).
        query: ``ratio``, the share of the tokens that MIMDet's encoder sees,
            and ``score``, above which detections are shown.

    Raises:
        ValueError: If a parameter is wrong.
    """
    ratio = number(query, 'ratio', 0.01, 1, 1)
    score = number(query, 'score', 0, 1, 0.3)
    backbone = model.model.backbone
    samples = isinstance(backbone, MIMDetViT) and not backbone.whole_because
    if samples:
        backbone.sample_at_test(ratio)
    sides = rgb.shape[:2]
    sample = model.pipeline(
        dict(
            img=np.ascontiguousarray(rgb[..., ::-1]),
            img_id=0,
            img_shape=sides,
            ori_shape=sides))
    data = model.model.data_preprocessor(pseudo_collate([sample]), False)
    result, = model.model(**data, mode='predict')
    picture, drawable = predictions.readable(rgb, result, SIDE)
    pictures = dict(
        detections=predictions.paint(model.drawer, picture, drawable, False,
                                     score))
    count = int((result.pred_instances.scores > score).sum())
    note = f'{count} detection{"s" * (count != 1)} with a score above ' \
        f'{score:.2f}.'
    if samples:
        seen_HW = _seen(backbone, data['inputs'], result.img_shape)
        shown = np.asarray(Image.fromarray(rgb).resize(seen_HW.shape[::-1]))
        pictures['seen'] = np.where(seen_HW[..., None], shown, np.uint8(GRAY))
        note += f' The encoder saw {ratio:.0%} of the tokens.'
    return Answer(pictures, note, dict(samples=samples))


def _seen(backbone: MIMDetViT, inputs: Any, size: tuple[int,
                                                        int]) -> np.ndarray:
    """Pixels (H, W) of tokens that the encoder saw; padding is cut off."""
    sizes = None
    if isinstance(inputs, PaddedImages):
        inputs, sizes = inputs
    mask = backbone.sampling(1, token_grid(inputs), False, 'cpu', sizes)
    seen_HW = mask.visible_map((PATCH, PATCH))[0, 0].bool().numpy()
    return seen_HW[:size[0], :size[1]]
