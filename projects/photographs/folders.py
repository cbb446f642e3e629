"""Whether the data sets are where the configs expect them."""
from collections.abc import Sequence
from pathlib import Path

# What a data set's folder has in it.
EXPECTED = dict(
    cifar10_jpeg=('train', 'test'),
    camvid=('images/train', 'images/val', 'annotations/train',
            'annotations/val'))


def check_folders(data: Path, names: Sequence[str]) -> None:
    """Fail before the work if a data set is missing.

    The data sets themselves look at classes, images and labels.

    Args:
        data: Folder of the data sets.
        names: Of the data sets, keys of ``EXPECTED``.

    Raises:
        FileNotFoundError: Names every folder that does not exist.
        ValueError: If one of them is empty.
    """
    folders = [data / name / part for name in names for part in EXPECTED[name]]
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        raise FileNotFoundError(
            f'no folder {", ".join(missing)}; docs/datasets.md tells how to '
            'get the data, and --data where it is')
    for folder in folders:
        if next(folder.iterdir(), None) is None:
            raise ValueError(f'the folder {folder} is empty')
