"""Pictures of what a pipeline hands to the model."""
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, VISUALIZERS, init_default_scope
from PIL import Image
from torch import Tensor

from .data_check import named_data
from .resumable_data import seeded


def draw_samples(cfg: Config, phase: str, number: int, out: str,
                 seed: int) -> list[Path]:
    """Write samples from all over a data set, and all of them in a grid.

    Boxes, masks and label maps are drawn over the images; class names are in
    the names of the files.

    Args:
        cfg: Config of any toolbox.
        phase: 'train', 'val' or 'test'.
        number: How many samples.
        out: Folder to write to.
        seed: Seed of the pipeline's random numbers.

    Returns:
        The files; the grid is the last.

    Raises:
        ValueError: If the config has no data set for this phase.
    """
    loader = cfg.get(f'{phase}_dataloader')
    if loader is None:
        raise ValueError(f'the config has no {phase}_dataloader')
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    with named_data(loader['dataset']):
        dataset = DATASETS.build(loader['dataset'])
        dataset.full_init()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    drawer = None
    if cfg.get('default_scope') in ('mmdet', 'mmseg'):
        drawer = VISUALIZERS.build({
            **cfg.visualizer, 'name': f'browse-{folder.resolve()}',
            'vis_backends': None
        })
        drawer.dataset_meta = dataset.metainfo
    files = []
    step = max(len(dataset) // number, 1)
    for index in range(0, len(dataset), step)[:number]:
        with seeded(seed + index):
            sample = dataset[index]
        views = pictures(sample['inputs'])
        for view, picture in enumerate(views):
            name = f'{index:04d}' + (f'-{view}' if len(views) > 1 else '')
            path = folder / f'{name}{_label(sample, dataset)}.png'
            if drawer is None:
                Image.fromarray(picture).save(path)
            else:
                drawer.add_datasample(
                    name,
                    picture,
                    drawable(sample['data_samples']),
                    draw_pred=False,
                    show=False,
                    out_file=str(path))
            files.append(path)
    files.append(folder / 'grid.png')
    Image.fromarray(
        grid([mmcv.imread(path, channel_order='rgb')
              for path in files[:-1]])).save(files[-1])
    return files


def pictures(inputs: Tensor | Sequence[Tensor]) -> list[np.ndarray]:
    """RGB pictures (H, W, 3), uint8, of one sample's inputs.

    Args:
        inputs: Image (C, H, W) in BGR order, uint8 or normalised float, or
            one for each view. Of more than three channels the first three
            are shown, of one or two the first in grey.
    """
    if isinstance(inputs, Tensor):
        inputs = [inputs]
    return [
        _picture(image_CHW.float().numpy(), image_CHW.is_floating_point())
        for image_CHW in inputs
    ]


def _picture(image_CHW: np.ndarray, normalised: bool) -> np.ndarray:
    if normalised:
        low, high = image_CHW.min(), image_CHW.max()
        image_CHW = (image_CHW - low) / max(high - low, 1e-6) * 255
    image_CHW = (
        image_CHW[2::-1] if len(image_CHW) >= 3 else np.repeat(
            image_CHW[:1], 3, axis=0))
    return np.ascontiguousarray(image_CHW.transpose(1, 2, 0).astype(np.uint8))


def drawable(data_sample: Any) -> Any:
    """A data sample with its boxes as the visualizers draw them: tensors."""
    instances = getattr(data_sample, 'gt_instances', None)
    if instances is not None and hasattr(instances.get('bboxes'), 'tensor'):
        instances.bboxes = instances.bboxes.tensor
    return data_sample


def _label(sample: dict, dataset: Any) -> str:
    """'_NAME' of a sample's class, for the name of its file."""
    labels = getattr(sample['data_samples'], 'gt_label', None)
    classes = dataset.metainfo.get('classes')
    if labels is None or not classes:
        return ''
    names = '-'.join(str(classes[label]) for label in labels.tolist())
    return '_' + ''.join(c if c.isalnum() or c in '-_' else '_' for c in names)


def grid(images: Sequence[np.ndarray], gap: int = 4) -> np.ndarray:
    """Tile RGB pictures of any sizes (H, W, 3) into one, on white."""
    height = max(image.shape[0] for image in images)
    width = max(image.shape[1] for image in images)
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    canvas = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255,
        np.uint8)
    for image, (top, left) in zip(
            images, _corners(rows, columns, height + gap, width + gap)):
        canvas[top:top + image.shape[0], left:left + image.shape[1]] = image
    return canvas


def _corners(rows: int, columns: int, height: int,
             width: int) -> Iterator[tuple[int, int]]:
    for row in range(rows):
        for column in range(columns):
            yield row * height, column * width
