"""Feature maps of a backbone and its pyramid (MIMDet, Figure 2).

The paper shows single channels at stride 4, of the backbone and after the
FPN; how they were chosen it does not say. Here they are the channels that
vary most over the image.

Shapes: C channels, H and W pixels, Y and X rows and columns of a map.
"""
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image
from torch import Tensor, nn

from projects.analysis.encoders import Normalize, encode, load_backbone
from projects.common.checkpoint import load_weights

from .attention import load_resized
from .heat import framed, heat
from .sheet import SheetRow, check_png, draw_sheet, save_png

DENSE_SCOPES = ('mmdet', 'mmseg')  # whose necks give maps


def load_neck(cfg: Config, checkpoint: str) -> nn.Module | None:
    """The neck of a detector or segmentor with all its trained weights.

    Returns:
        The neck in evaluation mode; None where the config has none.

    Raises:
        ValueError: If the checkpoint lacks a weight of it.
    """
    if cfg.get('default_scope') not in DENSE_SCOPES or 'neck' not in cfg.model:
        return None
    neck = MODELS.build(cfg.model.neck)
    if neck.state_dict():
        load_weights(neck, checkpoint, 'neck.', min_coverage=1.)
    return neck.eval()


def lively_channels(map_CYX: Tensor, num: int) -> list[int]:
    """The channels of the largest variance over the map, largest first."""
    order_C = map_CYX.flatten(1).var(dim=1).argsort(descending=True)
    return order_C[:num].tolist()


def _row(name: str, map_CYX: Tensor, picture: np.ndarray,
         num: int) -> SheetRow:
    height, width = picture.shape[:2]
    stride = round(height / map_CYX.shape[1])
    channels = lively_channels(map_CYX, num)
    maps = [heat(map_CYX[c].numpy(), (width, height)) for c in channels]
    return SheetRow(
        f'{name}, stride {stride}, channels {", ".join(map(str, channels))}',
        [framed(drawn, 'white') for drawn in (picture, *maps)])


@torch.no_grad()
def draw_features(cfg: Config,
                  checkpoint: str,
                  source: str,
                  out: str,
                  level: int = 0,
                  num: int = 4,
                  size: int = 512,
                  prefix: str = 'backbone.') -> dict[str, Tensor]:
    """Draw feature maps of an image and save them as PNG.

    Args:
        cfg: Config of a detector, a segmentor, or any model whose backbone
            gives maps.
        checkpoint: Path or URL of its checkpoint.
        source: An image file.
        out: The PNG file to write.
        level: Which of the maps, 0 for the finest.
        num: Number of channels.
        size: Shorter side of what the model sees, in pixels.
        prefix: Start of the backbone's names in the checkpoint.

    Returns:
        The maps (C, Y, X) that channels were drawn of, by name.

    Raises:
        FileNotFoundError: If an input file is missing.
        ValueError: If an input is of the wrong kind, or there is no such map.
    """
    check_png(out)
    if num < 1:
        raise ValueError(f'--num is {num}; it must be positive')
    backbone = load_backbone(cfg, checkpoint, prefix)
    neck = load_neck(cfg, checkpoint)
    image, _ = load_resized(Path(source), cfg, size)
    rgb_1CHW = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    outs = dict(backbone=encode(backbone, Normalize(cfg)(rgb_1CHW)))
    if neck is not None:
        outs['neck'] = neck(outs['backbone'])
    maps = {name: _level(name, levels, level) for name, levels in outs.items()}
    scale = -(-224 // min(image.shape[:2]))
    shown = Image.fromarray(image).resize(
        (scale * image.shape[1], scale * image.shape[0]),
        Image.Resampling.BICUBIC)
    rows = [
        _row(name, map_CYX, np.asarray(shown), num)
        for name, map_CYX in maps.items()
    ]
    columns = ['image'] + [''] * num
    save_png(
        draw_sheet(rows, columns, f'Features: {Path(source).name}'), Path(out))
    return maps


def _level(name: str, levels: tuple[Tensor, ...], level: int) -> Tensor:
    """One of the maps of the only image."""
    if not -len(levels) <= level < len(levels):
        raise ValueError(f'--level is {level}; the {name} gives '
                         f'{len(levels)} maps')
    chosen = levels[level]
    if chosen.ndim != 4:
        raise ValueError(
            f'the {name} gives {tuple(chosen.shape)}, no map (1, C, Y, X): '
            'set model.backbone.token_mode=None or out_type=featmap')
    return chosen[0].float()
