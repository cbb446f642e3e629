"""Pairs of images of one class: an object in one, boxes in the other.

Shapes: M candidate boxes, T true boxes, S pixels of a crop's side. Boxes are
(x1, y1, x2, y2) in pixels.
"""
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.registry import DATASETS
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from projects.detection.annotations import check_annotations, check_images

from .images import read_image

AREAS = (0.05, 0.8)  # shares of the image that candidates cover
ASPECTS = (0.5, 2.)  # their width over height


def random_boxes(num: int, height: int, width: int,
                 rng: np.random.Generator) -> np.ndarray:
    """Boxes (M, 4) in an image, of all sizes and shapes.

    The area is uniform in ``AREAS`` times the image's, the aspect ratio
    log-uniform in ``ASPECTS``, the place uniform; what does not fit is drawn
    again.
    """
    boxes = np.empty((0, 4))
    while len(boxes) < num:
        area = rng.uniform(*AREAS, num) * height * width
        low, high = np.log(ASPECTS)
        aspect = np.exp(rng.uniform(low, high, num))
        w, h = np.sqrt(area * aspect), np.sqrt(area / aspect)
        x, y = rng.uniform(size=(2, num)) * (width - w, height - h)
        drawn = np.stack([x, y, x + w, y + h], axis=1)
        boxes = np.concatenate([boxes, drawn[(w <= width) & (h <= height)]])
    return boxes[:num]


@dataclass(frozen=True)
class BoxPair:
    """An object to look for, and where it may be.

    Attributes:
        category: Name of its class.
        query_image: Image that shows the object.
        query_box: (4,), the object there.
        image: Another image, with objects of the class.
        true_boxes: (T, 4), these objects.
    """
    category: str
    query_image: dict[str, Any]
    query_box: np.ndarray
    image: dict[str, Any]
    true_boxes: np.ndarray


@DATASETS.register_module()
class BoxPairs(Dataset):
    """The task of ExtreMA's localisation figure, on a COCO instance file.

    The paper shows a box around an object in one image, many boxes in another
    image with such an object, and the one whose representation is the most
    similar (arXiv:2206.04667, appendix C, Figure 2). Data, boxes and measure
    are not published; **this protocol is ours**. For every class, ordered
    pairs of different images are drawn; in the first an object, crowds and
    small ones left out; in the second :func:`random_boxes`. Every pair has
    random numbers of its own, from the seed and its position.

    Args:
        ann_file: COCO instance annotations.
        img_dir: Folder of the images.
        pairs_per_class: Number of pairs, or all where there are fewer.
        num_candidates: Number M of boxes in the second image.
        min_side: Objects with a shorter side, in pixels, are no queries, and
            an image needs a larger one to be searched.
        crop_size: Side S in pixels that crops are resized to.
        seed: Of pairs and boxes.

    Raises:
        FileNotFoundError: If the file or an image is missing.
        ValueError: If a number is not positive, the file is not as
            :func:`~projects.detection.annotations.check_annotations` expects,
            or no class has two images.
    """

    def __init__(self,
                 ann_file: str,
                 img_dir: str,
                 pairs_per_class: int = 5,
                 num_candidates: int = 100,
                 min_side: float = 32.,
                 crop_size: int = 224,
                 seed: int = 0) -> None:
        for name, value in (('pairs_per_class', pairs_per_class),
                            ('num_candidates', num_candidates), ('crop_size',
                                                                 crop_size)):
            if value < 1:
                raise ValueError(f'{name} is {value}; it must be positive')
        self.num_candidates = num_candidates
        self.crop_size = crop_size
        self.seed = seed
        self.pairs = _draw_pairs(
            _read(ann_file, img_dir), pairs_per_class, min_side,
            np.random.default_rng(seed))
        if not self.pairs:
            raise ValueError(
                f'{ann_file}: no class has two images with objects of at '
                f'least {min_side:g} pixels on either side')

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A pair.

        Returns:
            ``crops``, uint8 RGB (1 + M, 3, S, S), that of the query first,
            and ``category``, ``candidates`` (M, 4) and ``true_boxes`` (T, 4).
        """
        pair = self.pairs[index]
        query, searched = (
            _open(image) for image in (pair.query_image, pair.image))
        rng = np.random.default_rng((self.seed, index))
        boxes_M4 = random_boxes(self.num_candidates, searched.height,
                                searched.width, rng)
        crops = [self._crop(query, pair.query_box)]
        crops += [self._crop(searched, box) for box in boxes_M4]
        return dict(
            crops=torch.stack(crops),
            category=pair.category,
            candidates=torch.from_numpy(boxes_M4),
            true_boxes=torch.from_numpy(pair.true_boxes))

    def _crop(self, image: Image.Image, box: np.ndarray) -> Tensor:
        """The whole pixels that a box touches, and nothing around them."""
        left, top = np.floor(box[:2]).astype(int)
        right, bottom = np.ceil(box[2:]).astype(int)
        side = (self.crop_size, self.crop_size)
        crop = image.crop(
            (left, top, right, bottom)).resize(side, Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(crop)).permute(2, 0, 1)


def _open(image: dict[str, Any]) -> Image.Image:
    """The pixels of an entry of a COCO file.

    Raises:
        ValueError: If the file is no image of the size that is stated.
    """
    path = Path(image['img_path'])
    bgr = read_image(path, dict(type='LoadImageFromFile'))['img']
    if bgr.shape[:2] != (image['height'], image['width']):
        raise ValueError(
            f'{path} has {bgr.shape[1]}x{bgr.shape[0]} pixels; its annotation '
            f'says {image["width"]}x{image["height"]}')
    return Image.fromarray(np.ascontiguousarray(bgr[..., ::-1]))


def _read(ann_file: str, img_dir: str) -> dict[str, Any]:
    """A checked COCO file, with the path of each image."""
    try:
        content = json.loads(Path(ann_file).read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise FileNotFoundError(
            f'annotation file {ann_file} does not exist') from None
    except ValueError as error:
        raise ValueError(f'{ann_file} is not a JSON file of COCO '
                         f'annotations: {error}') from None
    categories = content.get('categories') if isinstance(content,
                                                         dict) else None
    names = [entry.get('name') for entry in categories or ()]
    check_annotations(content, ann_file, names)
    for image in content['images']:
        image['img_path'] = str(Path(img_dir, image['file_name']))
    check_images(
        [dict(image, img_id=image['id']) for image in content['images']],
        ann_file)
    return content


def _draw_pairs(content: dict[str, Any], per_class: int, min_side: float,
                rng: np.random.Generator) -> list[BoxPair]:
    """Pairs of all classes, in the order of the categories."""
    images = {image['id']: image for image in content['images']}
    objects: dict[int, dict[int, list[np.ndarray]]] = {}
    for annotation in content['annotations']:
        if annotation.get('iscrowd'):
            continue
        image = images[annotation['image_id']]
        of_class = objects.setdefault(annotation['category_id'], {})
        of_class.setdefault(image['id'],
                            []).append(_corners(annotation['bbox'], image))
    pairs = []
    for category in content['categories']:
        by_image = {
            image: np.stack(boxes)
            for image, boxes in objects.get(category['id'], {}).items()
            if _large(np.stack(boxes), min_side).any()
        }
        ids = list(by_image)
        possible = len(ids) * (len(ids) - 1)
        chosen = rng.choice(
            possible, min(per_class, possible), replace=False) \
            if possible else ()
        for number in chosen:
            first, second = divmod(int(number), len(ids) - 1)
            second += second >= first  # never an image with itself
            boxes = by_image[ids[first]]
            pairs.append(
                BoxPair(category['name'], images[ids[first]],
                        rng.choice(boxes[_large(boxes, min_side)]),
                        images[ids[second]], by_image[ids[second]]))
    return pairs


def _corners(box: list[float], image: dict[str, Any]) -> np.ndarray:
    """(x1, y1, x2, y2) of COCO's (x, y, w, h), inside of the image."""
    x, y, width, height = box
    corners = np.array([x, y, x + width, y + height], dtype=float)
    limits = np.array([image['width'], image['height']] * 2)
    return corners.clip(0, limits)


def _large(boxes: np.ndarray, min_side: float) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= min_side
