"""Bad annotation files: one message that names the file and the entry."""
import copy
import json
from pathlib import Path

import pytest
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS

import projects.detection  # noqa: F401
from projects.shapes import CLASSES, Recipe, make_dataset


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes') / 'data'
    make_dataset(folder, Recipe('smoke', parts=('det', )), jobs=1)
    return folder / 'det'


@pytest.fixture
def content(shapes):
    text = (shapes / 'annotations/instances_train.json').read_text()
    return json.loads(text)


@pytest.fixture
def load(shapes, tmp_path):
    """Load a file of this content, a string or what is written as JSON."""

    def load(content, folder='train', classes=CLASSES, **kwargs):
        path = tmp_path / 'annotations.json'
        if content is not None:
            path.write_text(
                content if isinstance(content, str) else json.dumps(content))
        return DATASETS.build(
            dict(
                type='CheckedCocoDataset',
                ann_file=str(path),
                data_prefix=dict(img=str(Path(shapes, folder))),
                metainfo=dict(classes=classes),
                **kwargs))

    return load


def test_good_file_is_what_mmdet_reads(load, content, tmp_path, shapes):
    ours = load(content)
    theirs = CocoDataset(
        ann_file=str(tmp_path / 'annotations.json'),
        data_prefix=dict(img=str(shapes / 'train')),
        metainfo=dict(classes=CLASSES))
    assert len(ours) == len(theirs) == 12
    assert all(
        ours.get_data_info(i) == theirs.get_data_info(i) for i in range(12))


@pytest.mark.parametrize('text, expected', [
    (None, 'annotations.json does not exist'),
    ('{"images": [', 'annotations.json is not a JSON file.*column 13'),
    ('{"images": []}', "annotations.json: 'images' is empty"),
    ('[]', 'annotations.json is not a JSON file of COCO annotations.*list'),
    ('{"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}]}',
     "annotations.json: 'categories' is missing"),
    ('{"images": [{"id": 1, "file_name": "a.jpg"}]}',
     'annotations.json: images has an entry without width, height: {"id": 1'),
])
def test_file_that_is_no_annotation_file(load, text, expected):
    with pytest.raises((ValueError, FileNotFoundError), match=expected):
        load(text)


def test_empty_annotation_list(load, content):
    content['annotations'] = []
    with pytest.raises(
            ValueError, match="annotations.json: 'annotations' is "
            'empty'):
        load(content)


def test_images_alone_can_be_tested_on(load, content):
    """Test sets are published without annotations."""
    del content['annotations']
    assert len(load(content, test_mode=True)) == 12
    with pytest.raises(ValueError, match="'annotations' is missing"):
        load(content)


@pytest.mark.parametrize('change, expected', [
    (dict(category_id=99), r'annotation 7 is of category 99 \(not in the '
     r'file\).*metainfo.classes has \[circle'),
    (dict(image_id=500), 'annotation 7 is of image 500'),
    (dict(bbox=[120, 10, 30, 20]), r'annotation 7: box \[120, 10, 30, 20\] is '
     r'not inside its image \d+ \(0\d+.jpg\) of \d+x\d+ pixels'),
    (dict(bbox=[-9, 10, 30, 20]), 'annotation 7: box'),
    (dict(bbox=[1, 1, float('nan'), 2]), 'annotation 7: box'),
    (dict(bbox=[1, 2, 3]), 'annotation 7: box'),
])
def test_annotation_that_cannot_be(load, content, change, expected):
    content = copy.deepcopy(content)
    entry = next(a for a in content['annotations'] if a['id'] == 7)
    entry.update(change)
    with pytest.raises(ValueError, match=expected):
        load(content)


def test_two_annotations_of_one_id(load, content):
    content['annotations'][1]['id'] = content['annotations'][0]['id']
    with pytest.raises(ValueError, match='annotations.json.* not unique'):
        load(content)


def test_rounded_boxes_pass(load, content):
    """COCO's own exceed their images by a fraction of a pixel."""
    image = {image['id']: image for image in content['images']}
    entry = content['annotations'][0]
    width = image[entry['image_id']]['width']
    entry['bbox'] = [width - 10.5, 3, 11, 12]
    load(content)


@pytest.mark.parametrize('classes', [
    CLASSES[:-1] + ('unicorn', ),
    CLASSES[::-1],
    CLASSES[:3],
])
def test_classes_that_are_not_those_of_the_file(load, content, classes):
    with pytest.raises(ValueError, match='metainfo.classes has'):
        load(content, classes=classes)


def test_image_that_is_absent(load, content):
    content['images'][4]['file_name'] = 'nowhere.jpg'
    with pytest.raises(
            FileNotFoundError,
            match='image 5 is not there: .*'
            r'nowhere.jpg does not exist \(1 of 12'):
        load(content)
    with pytest.raises(FileNotFoundError, match='image 1 is not there'):
        load(content, folder='absent')
