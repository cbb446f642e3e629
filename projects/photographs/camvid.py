"""Lay CamVid out as the configs expect it."""
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

SPLITS = ('train', 'val', 'test')
NUM_LABELS = 12  # 11 classes and void
QUALITY = 92  # of the JPEG files


def prepare(source: Path, out: Path) -> dict[str, int]:
    """Make images/ and annotations/ of SegNet's folders.

    Pictures are saved as JPEG, which loads several times faster; label maps
    are copied. ``out`` appears when all is done.

    Args:
        source: Folder with train/, trainannot/, val/, valannot/ and, if it is
            there, test/ and testannot/, PNG files of the same names.
        out: New folder.

    Returns:
        The number of pictures of each split.

    Raises:
        FileExistsError: If ``out`` exists.
        FileNotFoundError: If a folder or a label map is missing.
        ValueError: If a folder has no picture, a file is damaged, or a label
            map has another size than its picture or unknown labels.
    """
    if out.exists():
        raise FileExistsError(f'{out} exists; delete it or name another')
    splits = [
        split for split in SPLITS
        if split != 'test' or (source / split).exists()
    ]
    pairs = {split: list(_pairs(source, split)) for split in splits}
    unfinished = out.with_name(f'.{out.name}.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)
    for split, files in pairs.items():
        images, maps = (
            unfinished / part / split for part in ('images', 'annotations'))
        images.mkdir(parents=True)
        maps.mkdir(parents=True)
        for picture, labels in files:
            image = _read(picture).convert('RGB')
            _check(labels, image.size)
            image.save(images / f'{picture.stem}.jpg', quality=QUALITY)
            shutil.copy(labels, maps)
    unfinished.rename(out)
    return {split: len(files) for split, files in pairs.items()}


def _pairs(source: Path, split: str) -> Iterator[tuple[Path, Path]]:
    """Pictures and their label maps."""
    images, maps = source / split, source / f'{split}annot'
    for folder in (images, maps):
        if not folder.is_dir():
            raise FileNotFoundError(
                f'no folder {folder}; expected is the folder CamVid of the '
                'SegNet tutorial, with train, trainannot, val and valannot')
    pictures = sorted(images.glob('*.png'))
    if not pictures:
        raise ValueError(f'{images} has no *.png')
    for picture in pictures:
        labels = maps / picture.name
        if not labels.exists():
            raise FileNotFoundError(
                f'{labels}: the label map of {picture} does not exist')
        yield picture, labels


def _read(path: Path) -> Image.Image:
    """A picture, decoded."""
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(f'{path} is damaged or no picture: {error}') from None


def _check(path: Path, size: tuple[int, int]) -> None:
    """Size and labels of a label map."""
    labels = _read(path)
    if labels.mode not in ('L', 'P') or labels.size != size:
        raise ValueError(
            f'{path} has mode {labels.mode} and {labels.size[0]}x'
            f'{labels.size[1]} pixels; expected one channel of 8 bits and the '
            f'{size[0]}x{size[1]} pixels of its picture')
    unknown = np.unique(np.asarray(labels))
    unknown = unknown[unknown >= NUM_LABELS]
    if unknown.size:
        raise ValueError(
            f'{path} has the labels {unknown.tolist()}; expected are 0 to '
            f'{NUM_LABELS - 1}, the 11 classes and void')
