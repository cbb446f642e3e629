"""COCO annotation files that are what they should be, or one clear message.

Unchecked, mmdet drops annotations of categories it was not told of, numbers
classes in the order of the file whatever the config says, and meets a missing
image somewhere in the first epoch.
"""
import json
import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS

from projects.engine.loading import MAX_PIXELS, storage_of

# COCO's own boxes exceed their images by rounding.
TOLERANCE = 2  # pixels

# What every entry of a list has to have, and of what type.
NUMBER = (int, float)
FIELDS: dict[str, dict[str, tuple[type, ...]]] = dict(
    images=dict(id=(int, ), file_name=(str, ), width=(int, ), height=(int, )),
    categories=dict(id=(int, ), name=(str, )),
    annotations=dict(
        id=(int, ),
        image_id=(int, ),
        category_id=(int, ),
        bbox=(list, ),
        area=NUMBER))


@DATASETS.register_module()
class CheckedCocoDataset(CocoDataset):
    """mmdet's ``CocoDataset`` that looks at what it loads.

    Raises:
        FileNotFoundError: If the annotation file or an image is missing.
        ValueError: If the file is not JSON, or its content is not what
            :func:`check_annotations` expects.
    """

    def load_data_list(self) -> list[dict]:
        """See ``CocoDataset``."""
        self.COCOAPI = partial(
            _CheckedCoco,
            name=self.ann_file,
            classes=self.metainfo['classes'],
            needs_annotations=not self.test_mode,
            needs_masks=any(
                getattr(transform, 'with_mask', False)
                for transform in self.pipeline.transforms))
        try:
            data_list = super().load_data_list()
        except FileNotFoundError:
            raise FileNotFoundError(
                f'annotation file {self.ann_file} does not exist') from None
        except (json.JSONDecodeError, UnicodeDecodeError,
                AssertionError) as error:
            raise ValueError(f'{self.ann_file} is not a JSON file of COCO '
                             f'annotations: {error}') from None
        finally:
            del self.COCOAPI  # of the instance
        packed = self.backend_args or storage_of(self.pipeline.transforms)
        if not packed and '://' not in self.data_prefix['img']:
            check_images(data_list, self.ann_file)
        return data_list


class _CheckedCoco(COCO):
    """``COCO`` that checks the file before it builds its index."""

    def __init__(self, annotation_file: str, **expected: Any) -> None:
        self._expected = expected
        super().__init__(annotation_file)

    def createIndex(self) -> None:
        """See ``COCO``."""
        check_annotations(self.dataset, **self._expected)
        super().createIndex()


def check_annotations(content: Any,
                      name: str,
                      classes: Sequence[str],
                      needs_annotations: bool = True,
                      needs_masks: bool = False) -> None:
    """Check the content of a COCO instance file.

    Args:
        content: The parsed file.
        name: Its name, for messages.
        classes: Class names of the config, in the order of its labels.
        needs_annotations: Whether a file of images alone is refused.
        needs_masks: Whether boxes without a segmentation are refused.

    Raises:
        ValueError: If images, categories or annotations are missing or empty,
            an entry is incomplete, the categories are not ``classes``, or an
            annotation names an unknown image or category or has a box outside
            its image; says which one.
    """
    images = {
        image['id']: image
        for image in _entries(content, name, 'images')
    }
    for entry in images.values():
        if entry['width'] * entry['height'] > MAX_PIXELS:
            raise ValueError(
                f'{name}: image {entry["id"]} is of {entry["width"]}x'
                f'{entry["height"]} pixels; at most {MAX_PIXELS} are read')
    categories = {
        category['id']: category['name']
        for category in _entries(content, name, 'categories')
    }
    _check_categories(categories, name, classes)
    known = {key for key, title in categories.items() if title in classes}
    if 'annotations' not in content and not needs_annotations:
        return
    for annotation in _entries(content, name, 'annotations'):
        where = f'{name}: annotation {annotation["id"]}'
        image = images.get(annotation['image_id'])
        if image is None:
            raise ValueError(f'{where} is of image {annotation["image_id"]}, '
                             'which the file does not list')
        category = annotation['category_id']
        if category not in known:
            raise ValueError(
                f'{where} is of category {category} '
                f'({categories.get(category, "not in the file")}), which the '
                'config does not know: metainfo.classes has '
                f'{_shown(classes)}')
        _check_box(annotation['bbox'], image, where)
        _check_segmentation(annotation, image, where, needs_masks)


def _entries(content: Any, name: str, field: str) -> list[dict]:
    """The list ``field`` of a file, which must not be empty."""
    entries = content.get(field) if isinstance(content, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError(
            f'{name}: {field!r} is {"empty" if entries == [] else "missing"};'
            f' expected COCO annotations with a list of {field}')
    known: set[int] = set()
    for entry in entries:
        _check_entry(entry, f'{name}: {field} has an entry', FIELDS[field])
        if entry['id'] in known:
            raise ValueError(f'{name}: the id {entry["id"]} is not unique in '
                             f'{field}')
        known.add(entry['id'])
    return entries


def _check_entry(entry: Any, where: str,
                 fields: Mapping[str, tuple[type, ...]]) -> None:
    """Check that an entry is an object with values of these types."""
    shown = json.dumps(entry)[:80]
    if not isinstance(entry, dict):
        raise ValueError(f'{where} that is no object: {shown}')
    lacking = [key for key in fields if key not in entry]
    if lacking:
        raise ValueError(f'{where} without {", ".join(lacking)}: {shown}')
    for key, types in fields.items():
        value = entry[key]
        # bool is an int to Python, and NaN a number to its JSON reader
        if type(value) not in types or (isinstance(value, float)
                                        and not math.isfinite(value)):
            raise ValueError(
                f'{where} whose {key} is {json.dumps(value)[:40]}; expected '
                f'{" or ".join(kind.__name__ for kind in types)}: {shown}')


def _check_categories(categories: Mapping[int, str], name: str,
                      classes: Sequence[str]) -> None:
    """The classes have to be in the file, in the same order."""
    found = [title for title in categories.values() if title in classes]
    if found != list(classes):
        raise ValueError(
            f'{name}: its categories {_shown(list(categories.values()))} are '
            'not those of the config in the same order: metainfo.classes has '
            f'{_shown(classes)}')


def _check_box(box: Sequence[float], image: Mapping[str, Any],
               where: str) -> None:
    numbers = len(box) == 4 and all(type(side) in NUMBER for side in box)
    x, y, width, height = box if numbers else [math.nan] * 4
    inside = (
        min(x, y) >= -TOLERANCE and min(width, height) >= 0
        and x + width <= image['width'] + TOLERANCE
        and y + height <= image['height'] + TOLERANCE)
    if not inside:
        raise ValueError(
            f'{where}: box {list(box)} is not inside its image '
            f'{image["id"]} ({image["file_name"]}) of '
            f'{image["width"]}x{image["height"]} pixels; expected [x, y, '
            'width, height]')


def _check_segmentation(annotation: Mapping[str, Any], image: Mapping[str,
                                                                      Any],
                        where: str, needed: bool) -> None:
    """Polygons, or run lengths of the size of the image."""
    crowd = annotation.get('iscrowd', 0)
    if type(crowd) is not int or crowd not in (0, 1):
        raise ValueError(f'{where}: iscrowd is {crowd!r}; expected 0 or 1')
    found = annotation.get('segmentation')
    if not found and not needed:
        return
    if isinstance(found, list):
        # a point far away would take minutes to draw the lines to
        side = max(image['width'], image['height'])
        good = bool(found) and all(
            isinstance(polygon, list) and all(
                type(number) in NUMBER and -side <= number <= 2 * side
                for number in polygon) for polygon in found)
    else:
        size = [image['height'], image['width']]
        good = (
            isinstance(found, dict) and found.get('size') == size
            and _are_runs(found.get('counts'), math.prod(size)))
    if not good:
        raise ValueError(
            f'{where}: segmentation is {json.dumps(found)[:80]}; expected '
            'polygons [[x, y, ...], ...], or run lengths dict(size=[height, '
            f'width], counts=...) of image {image["id"]} of '
            f'{image["width"]}x{image["height"]} pixels')


def _are_runs(counts: Any, pixels: int) -> bool:
    """Whether run lengths fill an image; compressed ones are text."""
    if isinstance(counts, list):
        return all(type(run) is int and run >= 0
                   for run in counts) and sum(counts) == pixels
    return isinstance(counts, str) and bool(counts)


def check_images(data_list: Sequence[Mapping[str, Any]], name: str) -> None:
    """Check that every image is there; lists each folder once.

    Args:
        data_list: ``img_path`` and ``img_id`` of each image.
        name: The annotation file, for messages.

    Raises:
        FileNotFoundError: If one is absent; names the first.
    """
    present: dict[Path, set[str]] = {}
    absent = []
    for image in data_list:
        path = Path(image['img_path'])
        if path.parent not in present:
            present[path.parent] = set(
                os.listdir(path.parent) if path.parent.is_dir() else ())
        if path.name not in present[path.parent]:
            absent.append(image)
    if absent:
        raise FileNotFoundError(
            f'{name}: image {absent[0]["img_id"]} is not there: '
            f'{absent[0]["img_path"]} does not exist ({len(absent)} of '
            f'{len(data_list)} images are absent)')


def _shown(names: Sequence[str], limit: int = 8) -> str:
    """The first names, and how many there are."""
    more = f', ... ({len(names)})' if len(names) > limit else ''
    return f'[{", ".join(names[:limit])}{more}]'
