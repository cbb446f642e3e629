"""Bad label maps: one message that names the file."""
import re

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from PIL import Image

import projects.segmentation  # noqa: F401

CLASSES = ('wall', 'floor', 'lamp')


def load(root, **kwargs):
    """The only sample of a data set in ``root``."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = DATASETS.build(
            dict(
                type='BaseSegDataset',
                data_root=str(root),
                data_prefix=dict(img_path='images', seg_map_path='maps'),
                metainfo=dict(classes=CLASSES),
                pipeline=[
                    dict(type='LoadImageFromFile'),
                    dict(type='Resize', scale=(60, 30), keep_ratio=True),
                    dict(type='LoadCheckedAnnotations', num_classes=3),
                    dict(type='PackSegInputs')
                ],
                **kwargs))
        return dataset[0]


@pytest.fixture
def root(tmp_path):
    """A folder with an image of 20 x 10 pixels and no label map."""
    (tmp_path / 'images').mkdir()
    (tmp_path / 'maps').mkdir()
    Image.new('RGB', (20, 10)).save(tmp_path / 'images/one.jpg')
    return tmp_path


def save_map(root, values, dtype=np.uint8):
    """Save the rows of ``values``, each ten pixels high in total."""
    labels = np.resize(np.array(values, dtype), (10, 20))
    Image.fromarray(labels).save(root / 'maps/one.png')


@pytest.mark.parametrize('reduce_zero_label, values, expected', [
    (False, [0, 1, 2, 255], [0, 1, 2, 255]),
    (True, [0, 1, 2, 3, 255], [0, 1, 2, 255]),
])
def test_good_maps_load(root, reduce_zero_label, values, expected):
    save_map(root, values)
    sample = load(root, reduce_zero_label=reduce_zero_label)
    labels = sample['data_samples'].gt_sem_seg.data
    assert labels.shape == (1, 10, 20)  # not resized
    assert sample['inputs'].shape == (3, 30, 60)
    assert labels.unique().tolist() == expected


def test_palette_map_loads(root):
    save_map(root, [0, 1, 2])
    picture = Image.open(root / 'maps/one.png').convert('P')
    picture.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    picture.putdata([0, 1, 2, 2, 2] * 40)
    picture.save(root / 'maps/one.png')
    labels = load(root)['data_samples'].gt_sem_seg.data
    assert labels.unique().tolist() == [0, 1, 2]


def test_missing_map(root):
    with pytest.raises(
            FileNotFoundError,
            match=r'maps/one\.png: the label map of .*images/one\.jpg does '
            'not exist'):
        load(root)


@pytest.mark.parametrize('picture, message', [
    (Image.new('L', (20, 11)), 'one.png: the label map has 20x11 pixels, its '
     'image .*one.jpg has 20x10'),
    (Image.new('RGB', (20, 10)), 'one.png: the label map of .*one.jpg has '
     'mode RGB; expected one channel of 8 bits'),
    (Image.fromarray(np.full((10, 20), 300, np.uint16)),
     'one.png: .* has mode I;16; expected one channel of 8 bits'),
])
def test_wrong_kind_of_map(root, picture, message):
    picture.save(root / 'maps/one.png')
    with pytest.raises(ValueError, match=message):
        load(root)


def test_no_picture(root):
    (root / 'maps/one.png').write_text('<html>not found</html>')
    with pytest.raises(ValueError, match='one.png: .* is not a picture'):
        load(root)


@pytest.mark.parametrize('reduce_zero_label, values, message', [
    (False, [0, 2, 3, 9], 'one.png: labels [3, 9] on 100 pixels are beyond '
     'the 3 classes; expected 0 to 2, or 255 where to ignore'),
    (True, [0, 3, 4, 4], 'one.png: labels [4] on 100 pixels are beyond the 3 '
     'classes; expected 1 to 3, or 0 where to ignore'),
])
def test_labels_beyond_the_classes(root, reduce_zero_label, values, message):
    save_map(root, values)
    with pytest.raises(ValueError, match=re.escape(message)):
        load(root, reduce_zero_label=reduce_zero_label)
