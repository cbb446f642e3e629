"""Mean cost of a detector over the images of a data set."""
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmengine.config import Config

from .complexity import Complexity, Cost, measure, shown_shape


def image_shapes(file: str | Path, number: int) -> list[tuple[int, int]]:
    """(height, width) of the first images, by identity, of a COCO file.

    Raises:
        ValueError: If the file is not one of COCO's, or has no images.
    """
    try:
        images = json.loads(Path(file).read_text())['images']
        images = sorted(images, key=lambda image: image['id'])[:number]
        shapes = [(image['height'], image['width']) for image in images]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{file} is not a JSON file of COCO images with id, '
                         f'height and width: {error!r}') from None
    if not shapes:
        raise ValueError(f'{file} has no images')
    return shapes


def measure_mean(cfg: Config, shapes: Sequence[tuple[int, int]]) -> Complexity:
    """Mean cost of a detector over images, as its test pipeline shows them.

    Args:
        cfg: Config of the detector.
        shapes: (height, width) of the image files in pixels.
    """
    shown = Counter(shown_shape(cfg, shape) for shape in shapes)
    results = {shape: measure(cfg, shape) for shape in shown}

    def mean(values: Mapping[tuple[int, int], int]) -> int:
        return round(
            sum(shown[shape] * value
                for shape, value in values.items()) / len(shapes))

    def mean_cost(costs: dict[tuple[int, int], Cost]) -> Cost:
        cost = next(iter(costs.values()))
        return replace(
            cost, macs=mean({
                shape: c.macs
                for shape, c in costs.items()
            }))

    first = next(iter(results.values()))
    return replace(
        first,
        shape=(mean({shape: shape[0]
                     for shape in shown}),
               mean({shape: shape[1]
                     for shape in shown})),
        total=mean_cost({
            shape: r.total
            for shape, r in results.items()
        }),
        parts={
            name: mean_cost({
                shape: r.parts[name]
                for shape, r in results.items()
            })
            for name in first.parts
        },
        num_images=len(shapes))
