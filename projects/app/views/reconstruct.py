"""Hide patches, by lot or by hand, and see the reconstruction."""
import math
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.config import Config

from projects.common.grid import Grid
from projects.common.masking import RandomTokenMasking
from projects.visualization import reconstruction
from projects.visualization.chosen_masking import ChosenTokenMasking

from ..parameters import Query, number, positions
from .answer import Answer
from .kinds import takes_images


@dataclass(frozen=True)
class Model:
    """A masked autoencoder and how it is asked.

    Attributes:
        model: The model.
        steps: Of its test pipeline, after the one that reads files.
        ratio: Share of the patches that it hid in training.
        scale: Its masks are so many times finer than its tokens.
    """
    model: reconstruction.Drawable
    steps: list[dict]
    ratio: float
    scale: int


def fits(cfg: Config) -> bool:
    """Whether the model of a config reconstructs images."""
    return cfg.model.get('type') in reconstruction.KINDS and takes_images(cfg)


def load(cfg: Config, checkpoint: str | None) -> Model:
    """The masked autoencoder of a config.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the checkpoint lacks any weight, those of the decoder
            included.
    """
    model = reconstruction.load_model(cfg, checkpoint)
    rule = model.masking
    return Model(model, _steps(cfg), rule.ratio, getattr(rule, 'scale', 1))


def _steps(cfg: Config) -> list[dict]:
    """Of the test pipeline; the usual ones if the config has none."""
    if cfg.get('test_dataloader'):
        return cfg.test_dataloader.dataset.pipeline[1:]
    side = cfg.model.backbone.get('img_size', 224)
    return [
        dict(type='ResizeEdge', scale=side, edge='short'),
        dict(type='CenterCrop', crop_size=side),
        dict(type='PackInputs')
    ]


def show(model: Model, rgb: np.ndarray, query: Query) -> Answer:
    """Reconstruct a picture.

    Args:
        model: The model.
        rgb: uint8 (H, W, 3).
        query: ``hidden``, positions of the hidden patches; or ``ratio``, the
            share of them, and ``seed``, which chooses.

    Raises:
        ValueError: If a parameter is wrong, or all or none are hidden.
    """
    hidden = positions(query, 'hidden')
    ratio = number(query, 'ratio', 0.01, 0.99, model.ratio)
    seed = number(query, 'seed', 0, 2**31, 0)
    if hidden is None:
        model.model.masking = RandomTokenMasking(ratio, model.scale)
    else:
        model.model.masking = ChosenTokenMasking(hidden, model.scale)
    torch.manual_seed(int(seed))
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    loaded = dict(img=bgr, img_shape=bgr.shape[:2], ori_shape=bgr.shape[:2])
    inputs_1CHW = reconstruction.to_input(loaded, model.steps, model.model)
    drawn, = reconstruction.reconstruct(model.model, inputs_1CHW, '')
    grid = tuple(model.scale * side
                 for side in model.model.head.grid(inputs_1CHW))
    found = _positions(drawn.hidden, grid)
    count = math.prod(grid)
    error = np.abs(drawn.original.astype(float) - drawn.predicted)
    return Answer(
        dict(
            original=drawn.original,
            masked=drawn.masked,
            reconstruction=drawn.predicted,
            pasted=drawn.pasted),
        f'{len(found)} of {count} patches are hidden '
        f'({len(found) / count:.0%}; in training {model.ratio:.0%}). Their '
        f'pixels are {error[drawn.hidden].mean():.0f} of 255 levels off on '
        'average.', dict(grid=grid, hidden=found, ratio=model.ratio))


def _positions(hidden_HW: np.ndarray, grid: Grid) -> list[int]:
    """Raster positions of the hidden patches of a grid."""
    height, width = hidden_HW.shape
    cells = hidden_HW[::height // grid[0], ::width // grid[1]]
    return np.flatnonzero(cells).tolist()
