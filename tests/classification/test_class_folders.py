"""Class folders that are not what they should be."""
from collections.abc import Callable
from pathlib import Path

import pytest
from mmpretrain.registry import DATASETS
from PIL import Image

from projects.classification import ClassFolders

CLASSES = ('dog', 'cat')  # not in the order of their names


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., ClassFolders]:
    """A data set of a folder with the given files."""

    def make(*names: str, **kwargs) -> ClassFolders:
        for name in names:
            path = tmp_path / 'train' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (8, 8)).save(path)
        return DATASETS.build(
            dict(
                type='ClassFolders',
                data_root=str(tmp_path),
                data_prefix='train',
                classes=CLASSES,
                **kwargs))

    return make


def found(dataset: ClassFolders) -> list[tuple[str, int]]:
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [(str(Path(info['img_path']).relative_to(dataset.img_prefix)),
             info['gt_label']) for info in infos]


def test_labels_follow_the_given_order(tree) -> None:
    dataset = tree('cat/1.png', 'cat/2.png', 'dog/1.png')
    assert found(dataset) == [('dog/1.png', 0), ('cat/1.png', 1),
                              ('cat/2.png', 1)]
    assert dataset.metainfo['classes'] == CLASSES


def test_few_labels(tree) -> None:
    names = [f'{kind}/{number}.png' for kind in CLASSES for number in range(4)]
    dataset = tree(*names, per_class=2)
    assert found(dataset) == [('dog/0.png', 0), ('dog/1.png', 0),
                              ('cat/0.png', 1), ('cat/1.png', 1)]


def test_missing_and_unknown_folders(tree, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='train does not exist; .*dog'):
        tree()
    with pytest.raises(ValueError, match='missing: dog; unknown: dogs, x$'):
        tree('cat/1.png', 'dogs/1.png', 'x/1.png')


def test_too_few_images(tree, tmp_path: Path) -> None:
    (tmp_path / 'train/dog').mkdir(parents=True)
    with pytest.raises(
            ValueError, match='no image in .*train for the .* dog$'):
        tree('cat/1.png')
    with pytest.raises(
            ValueError, match=r'\(dog\) has 1 images in .*; per_class is 2'):
        tree('cat/1.png', 'cat/2.png', 'dog/1.png', per_class=2)
    with pytest.raises(ValueError, match='per_class is 0'):
        tree(per_class=0)
