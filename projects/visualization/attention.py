"""Attention maps of the last block for query points (ExtreMA, Figure 3).

Every map is the row of its query in the last block's softmax weights, the
mean over heads. A class token's map is its own row: of ExtreMA's class
attention, or of the last block of a ViT that has a class token.

Shapes: H and W pixels, Q queries, Y and X rows and columns of tokens, N
tokens, E of which come before those of the grid.
"""
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image, ImageDraw
from torch import Tensor, nn

from projects.analysis.encoders import Normalize, encode, load_backbone
from projects.analysis.images import read_image

from .attention_weights import (AttentionRecorder, class_attention,
                                last_attention)
from .heat import framed, heat
from .sheet import SheetRow, check_png, draw_sheet, save_png

STEP = 32  # sides of the image are multiples of this, in pixels
COLOURS = ('#e41a1c', '#377eb8', '#ffd92f', '#4daf4a', '#ff7f00', '#984ea3',
           '#f781bf', '#a65628')
CLASS_COLOUR = '#808080'
Point = tuple[float, float]


@dataclass(frozen=True)
class AttentionMaps:
    """An image, query points on it, and what they attend to.

    Attributes:
        image: uint8 RGB (H, W, 3), as the model saw it.
        points: Centres (x, y) of the queries' tokens in its pixels.
        maps_QYX: Their attention to the tokens of the grid, the mean over
            heads. With a class token among the keys a map sums to less than
            one.
        class_YX: The same of the class token; None where there is none.
    """
    image: np.ndarray
    points: list[Point]
    maps_QYX: np.ndarray
    class_YX: np.ndarray | None


def parse_points(texts: Sequence[str]) -> list[Point]:
    """Points from words like ``120,64``.

    Raises:
        ValueError: If one is not of that form.
    """
    points = []
    for text in texts:
        try:
            x, y = map(float, text.split(','))
        except ValueError:
            raise ValueError(f'point {text!r} is not X,Y: two numbers of '
                             'pixels with a comma between them') from None
        points.append((x, y))
    return points


def load_resized(path: Path, cfg: Config,
                 size: int) -> tuple[np.ndarray, tuple[int, int]]:
    """An image brought to a size without cropping.

    Args:
        path: The image file.
        cfg: Its test pipeline says how files are read.
        size: Length of the shorter side in pixels. Both sides are rounded to
            multiples of ``STEP``.

    Returns:
        uint8 RGB (H, W, 3), and height and width of the file's image.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image or ``size`` is too small.
    """
    if size < STEP:
        raise ValueError(f'--size is {size} pixels; at least {STEP} are '
                         'expected')
    loaded = read_image(path, cfg.test_dataloader.dataset.pipeline[0])
    rgb = np.ascontiguousarray(loaded['img'][..., ::-1])
    height, width = rgb.shape[:2]
    return resized(rgb, size), (height, width)


def resized(rgb: np.ndarray, size: int) -> np.ndarray:
    """An image with a shorter side of ``size``, both multiples of ``STEP``.

    Args:
        rgb: uint8 (H, W, 3).
        size: In pixels, at least ``STEP``.
    """
    height, width = rgb.shape[:2]
    factor = size / min(height, width)
    sides = [STEP * round(side * factor / STEP) for side in (width, height)]
    return np.asarray(
        Image.fromarray(rgb).resize(sides, Image.Resampling.BICUBIC))


def grid_of(backbone: nn.Module, length: int, height: int,
            width: int) -> tuple[int, int, int]:
    """Rows and columns of the tokens, and the number E before them.

    Raises:
        ValueError: If the tokens of the last block are not those of a grid on
            the whole image: it attends in windows, or sees a sample.
    """
    extra = getattr(backbone, 'num_extra_tokens', 0)
    if getattr(backbone, 'token_mode', None) == 'vit':
        extra = 1
    side = math.isqrt(height * width // max(length - extra, 1))
    rows, columns = height // side, width // side
    if rows * columns != length - extra:
        raise ValueError(
            f'the last block of {type(backbone).__name__} attends to {length} '
            f'tokens, which are not those of a {height}x{width} image: it '
            'must attend globally, and to all tokens (for example '
            'model.backbone.test_sample_ratio=1)')
    return rows, columns, extra


@torch.no_grad()
def attention_maps(backbone: nn.Module,
                   normalize: Normalize,
                   image: np.ndarray,
                   points: Sequence[Point],
                   layer: int = -1) -> AttentionMaps:
    """Run a backbone on an image and read the attention of query points.

    Args:
        backbone: The backbone.
        normalize: Its normalisation of pixels.
        image: uint8 RGB (H, W, 3), sides multiples of ``STEP``.
        points: Queries (x, y) in pixels of ``image``.
        layer: Which class-attention layer gives the class token's map.

    Raises:
        ValueError: If a point is outside of the image, or the model's
            attention cannot be drawn.
    """
    height, width = image.shape[:2]
    check_points(points, height, width, 'the image')
    blocks = [last_attention(backbone)]
    of_class = class_attention(backbone, layer)
    if of_class is not None:
        blocks.append(of_class)
    rgb_1CHW = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    weights_NN, *class_1N = _record(backbone, normalize(rgb_1CHW), blocks)
    rows, columns, extra = grid_of(backbone, len(weights_NN), height, width)
    if extra:
        class_1N = [weights_NN[:1]]
    tokens = [(int(y * rows / height), int(x * columns / width))
              for x, y in points]
    centres = [((column + .5) * width / columns, (row + .5) * height / rows)
               for row, column in tokens]
    queries = [extra + row * columns + column for row, column in tokens]
    maps_QYX, *class_1YX = (
        # the grid's tokens are the last ones
        rows_QN[:, -rows * columns:].unflatten(1, (rows, columns)).numpy()
        for rows_QN in (weights_NN[queries], *class_1N))
    return AttentionMaps(image, centres, maps_QYX,
                         class_1YX[0][0] if class_1YX else None)


def check_points(points: Sequence[Point], height: int, width: int,
                 name: str) -> None:
    """Refuse points outside of an image.

    Raises:
        ValueError: If there is one.
    """
    for x, y in points:
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(f'point ({x:g}, {y:g}) is outside of {name} of '
                             f'{width}x{height} pixels')


def _record(backbone: nn.Module, x_1CHW: Tensor,
            blocks: Sequence[nn.Module]) -> list[Tensor]:
    """Weights (queries, N) of each attention, the mean over heads."""
    recorders = [AttentionRecorder(block) for block in blocks]
    try:
        encode(backbone, x_1CHW)
    finally:
        for recorder in recorders:
            recorder.remove()
    return [_head_mean(recorder) for recorder in recorders]


def _head_mean(recorder: AttentionRecorder) -> Tensor:
    weights_BMQN = recorder.weights_BMQN
    assert weights_BMQN is not None, 'the block did not run'
    if len(weights_BMQN) != 1:
        raise ValueError(
            'the last block attends in windows; only global attention can be '
            'drawn on the whole image: set model.backbone.window_size=0 or '
            'make the last block one of model.backbone.global_blocks')
    return weights_BMQN[0].mean(0)


def draw_maps(maps: AttentionMaps,
              caption: str,
              side: int = 224) -> Image.Image:
    """The image with its query points, then a map for each.

    A map has a border of its point's colour; brightness runs from the
    smallest to the largest weight of each map, whose percentage is written
    above.

    Args:
        maps: What to draw.
        caption: Written below.
        side: Shorter side of each picture at least, in pixels.
    """
    picture = mark_points(maps, side)
    size = picture.shape[1], picture.shape[0]
    columns, pictures = ['queries'], [framed(picture, 'white')]
    for index, weights_YX in enumerate(maps.maps_QYX):
        columns.append(f'largest {weights_YX.max():.1%}')
        pictures.append(framed(heat(weights_YX, size), _colour(index)))
    if maps.class_YX is not None:
        columns.append(f'class token, largest {maps.class_YX.max():.1%}')
        pictures.append(framed(heat(maps.class_YX, size), CLASS_COLOUR))
    return draw_sheet([SheetRow(caption, pictures)], columns,
                      'Attention of the last block')


def mark_points(maps: AttentionMaps, side: int = 224) -> np.ndarray:
    """The image (H, W, 3) with its query points.

    Args:
        maps: What to draw.
        side: It is enlarged to have a shorter side of so many pixels at
            least.
    """
    height, width = maps.image.shape[:2]
    scale = -(-side // min(height, width))
    size = scale * width, scale * height
    picture = Image.fromarray(maps.image).resize(size,
                                                 Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    radius = min(size) / 28
    for index, (x, y) in enumerate(maps.points):
        x, y = x * scale, y * scale
        draw.ellipse((x - radius, y - radius, x + radius, y + radius),
                     _colour(index), 'white', max(round(radius / 3), 1))
    return np.asarray(picture)


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def draw_attention(cfg: Config,
                   checkpoint: str,
                   source: str,
                   out: str,
                   points: Sequence[Point] = (),
                   size: int = 224,
                   prefix: str = 'backbone.',
                   layer: int = -1) -> AttentionMaps:
    """Draw the attention maps of an image and save them as PNG.

    Args:
        cfg: Config of a pretraining, classifier, detector or segmentor.
        checkpoint: Path or URL of its checkpoint.
        source: An image file.
        out: The PNG file to write.
        points: Queries (x, y) in pixels of the file; by default four on the
            diagonals.
        size: See :func:`load_resized`.
        prefix: Start of the backbone's names in the checkpoint;
            ``target_net.module.0.`` is ExtreMA's teacher.
        layer: Which class-attention layer gives the class token's map.

    Returns:
        What was drawn.

    Raises:
        FileNotFoundError: If an input file is missing.
        ValueError: If an input is of the wrong kind; see the functions above.
    """
    check_png(out)
    backbone = load_backbone(cfg, checkpoint, prefix)
    image, (height, width) = load_resized(Path(source), cfg, size)
    check_points(points, height, width, source)
    points = points or [(width * x, height * y) for y in (.3, .7)
                        for x in (.3, .7)]
    factors = image.shape[1] / width, image.shape[0] / height
    queries = [(x * factors[0], y * factors[1]) for x, y in points]
    maps = attention_maps(backbone, Normalize(cfg), image, queries, layer)
    save_png(draw_maps(maps, Path(source).name), Path(out))
    return maps
