"""Few images of each class, chosen by a seed."""
from collections import Counter
from pathlib import Path

import pytest
from mmpretrain.registry import DATASETS
from PIL import Image

from projects.engine import LowShotDataset

SIZES = dict(a=10, b=4, c=25)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of different sizes."""
    root = tmp_path_factory.mktemp('images')
    for name, size in SIZES.items():
        (root / name).mkdir()
        for number in range(size):
            Image.new('RGB', (8, 8)).save(root / name / f'{number}.png')
    return root


def chosen(folder: Path, **kwargs) -> list[str]:
    dataset = LowShotDataset(data_root=str(folder), **kwargs)
    return [dataset[i]['img_path'] for i in range(len(dataset))]


def classes(paths: list[str]) -> Counter:
    return Counter(Path(path).parent.name for path in paths)


def test_so_many_of_each_class(folder: Path) -> None:
    assert classes(chosen(folder, per_class=3)) == dict(a=3, b=3, c=3)


def test_a_share_of_each_class(folder: Path) -> None:
    """Rounded, and at least one."""
    assert classes(chosen(folder, share=0.2)) == dict(a=2, b=1, c=5)
    assert classes(chosen(folder, share=0.01)) == dict(a=1, b=1, c=1)
    assert classes(chosen(folder, share=1.)) == SIZES


def test_choice_depends_on_the_seed_alone(folder: Path) -> None:
    first = chosen(folder, per_class=3)
    assert chosen(folder, per_class=3) == first
    assert len({
        tuple(chosen(folder, per_class=3, choice_seed=seed))
        for seed in range(5)
    }) == 5
    assert [Path(path).name
            for path in first] != ['0.png', '1.png', '2.png'] * 3
    assert set(first) < set(chosen(folder, per_class=4))


def test_first_by_name(folder: Path) -> None:
    paths = chosen(folder, per_class=2, choice_seed=None)
    assert [Path(path).name for path in paths] == ['0.png', '1.png'] * 3


def test_order_of_a_list_does_not_matter(folder: Path, tmp_path: Path) -> None:
    names = [f'{name}/{number}.png {label}'
             for label, (name, size) in enumerate(SIZES.items())
             for number in range(size)]  # yapf: disable

    def listed(lines: list[str]) -> set[str]:
        file = tmp_path / 'list.txt'
        file.write_text('\n'.join(lines))
        return set(chosen(folder, per_class=3, ann_file=str(file)))

    assert listed(names) == listed(names[::-1]) == set(
        chosen(folder, per_class=3))


@pytest.mark.parametrize('kwargs, message', [
    (dict(), 'per_class is None and share is None; expected is one'),
    (dict(per_class=1, share=.5), 'per_class is 1 and share is 0.5'),
    (dict(per_class=0), 'per_class is 0; expected 1 or more'),
    (dict(share=1.5), 'share is 1.5; expected above 0'),
    (dict(share=0.), 'share is 0.0; expected above 0'),
    (dict(per_class=1, with_label=False), 'with_label is False'),
    (dict(per_class=5), r'class 1 \(b\) has 4 images in .*; per_class is 5'),
])
def test_what_cannot_be_chosen(folder: Path, kwargs: dict,
                               message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LowShotDataset(data_root=str(folder), **kwargs)


def test_it_is_found_by_its_name(folder: Path) -> None:
    dataset = DATASETS.build(
        dict(type='LowShotDataset', data_root=str(folder), per_class=1))
    assert dataset.metainfo['classes'] == ('a', 'b', 'c')
