"""Images in class folders that are what they should be."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmpretrain.datasets.custom import get_samples
from mmpretrain.registry import DATASETS

from projects.engine.low_shot import LowShotDataset


@DATASETS.register_module()
class ClassFolders(LowShotDataset):
    """mmpretrain's ``CustomDataset`` of folders that bear known names.

    ``CustomDataset`` numbers the folders it finds: one that is missing or
    misspelt moves the labels of all that follow. Here the classes are given,
    and the folders have to be theirs.

    Args:
        classes: Names of the folders, in the order of the labels.
        per_class: Use the labels of so many images of each class, the first
            by name; None for all images.
        **kwargs: Arguments of :class:`LowShotDataset`: data_root,
            data_prefix, pipeline, ...

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If classes are missing or unknown, or a class has no image
            or fewer than ``per_class``.
    """

    def __init__(self,
                 classes: Sequence[str],
                 per_class: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(
            per_class=per_class,
            share=1. if per_class is None else None,
            choice_seed=None,
            classes=classes,
            **kwargs)

    def _find_samples(self) -> list[tuple[str, int]]:
        """Paths below the folder, and labels."""
        root = Path(self.img_prefix)
        if not root.is_dir():
            raise FileNotFoundError(
                f'the folder {root} does not exist; expected in it is a '
                f'folder for each of {", ".join(self.CLASSES)}')
        found = {path.name for path in root.iterdir() if path.is_dir()}
        missing = [name for name in self.CLASSES if name not in found]
        unknown = sorted(found - {*self.CLASSES})
        if missing or unknown:
            raise ValueError(
                f'{root} must have the folders of the {len(self.CLASSES)} '
                'classes: ' +
                '; '.join(f'{what} {", ".join(names)}'
                          for what, names in (('missing:', missing),
                                              ('unknown:', unknown)) if names))
        numbers = {name: label for label, name in enumerate(self.CLASSES)}
        samples, empty = get_samples(self.img_prefix, numbers,
                                     self.is_valid_file)
        if empty:
            raise ValueError(f'no image in {root} for the classes '
                             f'{", ".join(sorted(empty))}')
        return sorted(samples, key=lambda sample: sample[1])
