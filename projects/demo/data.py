"""Find out what a folder of images can be used for, and list its files."""
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.utils import scandir
from torchvision.datasets.folder import IMG_EXTENSIONS

from projects.engine.checkpoint_io import write_text

HELD_OUT = ('val', 'valid', 'validation', 'test')  # beside a folder 'train'
HELD_OUT_EVERY = 5  # without one: one image in so many of each class


@dataclass(frozen=True)
class ImageList:
    """The images of a demonstration.

    Attributes:
        root: Their folder, absolute.
        classes: Sorted names; empty for unlabelled images.
        train: Training images as ``CustomDataset`` reads them from a file:
            path below ``root``, with classes followed by the class number.
        val: Test images in the same form; empty without classes.
        shown: Folder of the images to draw, held out where there is one.
    """
    root: Path
    classes: tuple[str, ...]
    train: tuple[str, ...]
    val: tuple[str, ...]
    shown: Path

    def write(self, folder: Path) -> None:
        """Write ``train.txt`` and, with classes, ``val.txt``."""
        folder.mkdir(parents=True, exist_ok=True)
        for split in ('train', 'val') if self.classes else ('train', ):
            text = ''.join(f'{line}\n' for line in getattr(self, split))
            write_text(str(folder / f'{split}.txt'), text)

    def few(self, train: int, val: int) -> 'ImageList':
        """At most so many images, spread over all of them."""

        def spread(lines: tuple[str, ...], most: int) -> tuple[str, ...]:
            count = min(most, len(lines))
            return tuple(lines[i * len(lines) // count] for i in range(count))

        return replace(
            self, train=spread(self.train, train), val=spread(self.val, val))

    def __str__(self) -> str:
        if not self.classes:
            return f'{len(self.train)} unlabelled images'
        return (f'{len(self.train)} training and {len(self.val)} test images '
                f'of {len(self.classes)} classes')


def find_images(folder: str | Path) -> ImageList:
    """Look through a folder for images, classes and splits.

    Two or more folders of images, with no image beside them, are classes.
    They may lie in ``train/`` and ``val/`` (or ``test/``); otherwise every
    fifth image of each class is held out for testing. Images in any other
    arrangement are unlabelled.

    Raises:
        FileNotFoundError: If there is no such folder.
        NotADirectoryError: If it is a file.
        OSError: If a folder cannot be read.
        ValueError: If there are no images, or the test images are of other
            classes than the training images.
    """
    root = Path(folder).resolve()
    if not root.exists():
        raise FileNotFoundError(f'the folder {root} does not exist')
    if not root.is_dir():
        raise NotADirectoryError(
            f'{root} is a file; a folder of images is expected')
    split = 'train' if (root / 'train').is_dir() else ''
    held_out = next(
        (name for name in HELD_OUT if split and (root / name).is_dir()), None)
    shown = root if held_out is None else root / held_out
    groups = _by_class(root, split)
    if not groups:
        raise ValueError(
            f'no image in {root / split} or the folders in it; expected '
            f'files ending in {", ".join(IMG_EXTENSIONS)}')
    if '' in groups or len(groups) < 2:
        names = tuple(sorted(sum(groups.values(), [])))
        return ImageList(root, (), names, (), shown)

    if held_out is None:
        train, val = _hold_out(groups)
    else:
        train, val = groups, _by_class(root, held_out)
    strange = sorted(val.keys() - groups.keys())
    if strange or not any(val.values()):
        raise ValueError(
            f'no test images for the classes in {root / split}: ' +
            (f'{shown} has {strange[0] or "images outside folders"!r}, '
             'which is none of them' if strange else 'every one of them has a '
             'single image' if held_out is None else f'{shown} has none'))
    classes = tuple(sorted(groups))
    return ImageList(root, classes, _lines(train, classes),
                     _lines(val, classes), shown)


def _by_class(root: Path, split: str) -> dict[str, list[str]]:
    """Sorted image paths below ``root``, by the folder in ``split``.

    Images right in ``split`` are under ''.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(
            scandir(
                root / split,
                IMG_EXTENSIONS,
                recursive=True,
                case_sensitive=False)):
        group = name.split('/')[0] if '/' in name else ''
        path = f'{split}/{name}' if split else name
        groups.setdefault(group, []).append(path)
    return groups


def _hold_out(
    groups: dict[str, list[str]]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Training and test images; a class of one image has none to test."""
    val = {name: paths[1::HELD_OUT_EVERY] for name, paths in groups.items()}
    train = {
        name: sorted({*paths} - {*val[name]})
        for name, paths in groups.items()
    }
    return train, val


def _lines(groups: dict[str, list[str]],
           classes: tuple[str, ...]) -> tuple[str, ...]:
    """Lines of an annotation file."""
    return tuple(f'{path} {classes.index(name)}'
                 for name, paths in sorted(groups.items()) for path in paths)
