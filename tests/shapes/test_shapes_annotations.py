"""COCO instances and ADE-style label maps agree with what was drawn."""

import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from projects.shapes import CLASSES, Recipe, make_dataset
from projects.shapes.annotate import (BACKGROUND_LABEL, CLASS_IDS, LABEL_NAMES,
                                      coco_annotations, label_map)
from projects.shapes.rendering import NOBODY, Picture, render
from projects.shapes.sample import FEATURES, several_objects
from projects.shapes.scene import Paint, Scene, Thing

GRAY = Paint((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    out = tmp_path_factory.mktemp('shapes') / 'smoke'
    make_dataset(out, Recipe('smoke', parts=('det', 'seg')))
    return out


def load_coco(data, split):
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(data / f'det/annotations/instances_{split}.json')


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def decode(annotation, height, width):
    runs = coco_mask.frPyObjects(annotation['segmentation'], height, width)
    if isinstance(runs, list):
        runs = coco_mask.merge(runs)
    return coco_mask.decode(runs).astype(bool)


@pytest.mark.parametrize('hard', [False, True])
@pytest.mark.parametrize('feature', FEATURES)
def test_segmentations_rasterise_to_the_drawn_masks(feature, hard):
    seen = 0
    for seed in range(15):
        scene = several_objects(
            np.random.default_rng(seed), 128, 150, feature, hard)
        picture = render(scene)
        drawn = [
            picture.mask(index) for index, thing in enumerate(scene.things)
            if thing.role == 'object' and picture.mask(index).sum() >= 4
        ]
        crowd = [i for i, t in enumerate(scene.things) if t.role == 'crowd']
        if crowd:
            drawn.append(picture.mask(*crowd))
        annotations = coco_annotations(scene, picture)
        assert len(annotations) == len(drawn)
        for annotation, mask in zip(annotations, drawn):
            overlap = iou(decode(annotation, 128, 150), mask)
            assert overlap > (0.95 if mask.sum() > 100 else 0.7)
            assert annotation['area'] == mask.sum()
            x, y, width, height = annotation['bbox']
            assert mask[y:y + height, x:x + width].sum() == mask.sum()
            assert mask[y].any() and mask[y + height - 1].any()
            assert mask[:, x].any() and mask[:, x + width - 1].any()
            seen += 1
    assert seen > 15 or feature == 'empty'


def test_holes_and_crowds_are_exact_run_lengths():
    ring = Thing('ring', (40.0, 30.0), 30.0, 0.0, GRAY)
    crowd = tuple(
        Thing('star', (x, 60.0), 12.0, 0.0, GRAY, 'crowd')
        for x in (2.0, 12.0, 18.0))  # the first one is cut
    scene = Scene(80, 70, GRAY, (ring, *crowd))
    picture = render(scene)
    single, group = coco_annotations(scene, picture)
    assert single['iscrowd'] == 0 and group['iscrowd'] == 1
    assert np.array_equal(decode(single, 80, 70), picture.mask(0))
    assert np.array_equal(decode(group, 80, 70), picture.mask(1, 2, 3))
    assert not picture.mask(0)[30, 40]  # the hole


def test_an_object_cut_in_two_is_two_polygons():
    below = Thing('square', (40.0, 40.0), 30.0, 0.0, GRAY)
    above = Thing('bar', (40.0, 40.0), 25.0, 0.0, GRAY, 'clutter')
    scene = Scene(80, 80, GRAY, (below, above))
    annotation, = coco_annotations(scene, render(scene))
    assert len(annotation['segmentation']) == 2


def test_hidden_objects_have_no_annotation():
    below = Thing('circle', (40.0, 40.0), 10.0, 0.0, GRAY)
    above = Thing('square', (40.0, 40.0), 30.0, 0.0, GRAY)
    scene = Scene(80, 80, GRAY, (below, above))
    annotation, = coco_annotations(scene, render(scene))
    assert annotation['category_id'] == CLASS_IDS['square']


@pytest.mark.parametrize('split', ['train', 'val'])
def test_coco_files(data, split):
    coco = load_coco(data, split)
    names = [c['name'] for c in coco.loadCats(coco.getCatIds())]
    assert tuple(names) == CLASSES and coco.getCatIds() == list(range(1, 9))
    without, crowds, border, gray = 0, 0, 0, 0
    for image in coco.loadImgs(coco.getImgIds()):
        with Image.open(data / 'det' / split / image['file_name']) as file:
            assert file.size == (image['width'], image['height'])
            gray += file.mode == 'L'
        annotations = coco.imgToAnns[image['id']]
        without += not annotations
        for annotation in annotations:
            mask = coco.annToMask(annotation)
            assert mask.shape == (image['height'], image['width'])
            x, y, width, height = annotation['bbox']
            border += x == 0 or x + width == image['width']
            assert 0 <= x < x + width <= image['width']
            assert 0 <= y < y + height <= image['height']
            crowds += annotation['iscrowd']
    assert without and crowds and border and gray
    ids = [annotation['id'] for annotation in coco.dataset['annotations']]
    assert ids == list(range(1, len(ids) + 1))


def test_perfect_predictions_score_one(data):
    """The real COCO metric on the ground truth itself."""
    from pycocotools.cocoeval import COCOeval
    with contextlib.redirect_stdout(io.StringIO()):
        truth = load_coco(data, 'train')
        found = truth.loadRes([
            dict(
                image_id=a['image_id'],
                category_id=a['category_id'],
                score=1.0,
                segmentation=truth.annToRLE(a))
            for a in truth.dataset['annotations'] if not a['iscrowd']
        ])
        evaluation = COCOeval(truth, found, 'segm')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_json_has_sorted_keys(data):
    text = (data / 'det/annotations/instances_val.json').read_text()
    assert text == json.dumps(json.loads(text), sort_keys=True)


def test_label_maps(data):
    present, ignored = set(), 0
    for split in ('train', 'val'):
        images = sorted((data / 'seg/images' / split).iterdir())
        maps = sorted((data / 'seg/annotations' / split).iterdir())
        assert [f.stem for f in images] == [f.stem for f in maps]
        for image_file, map_file in zip(images, maps):
            with Image.open(image_file) as image, Image.open(map_file) as m:
                assert image.size == m.size and m.mode == 'L'
                labels = np.asarray(m)
            assert labels.max() <= len(LABEL_NAMES)
            assert (labels == BACKGROUND_LABEL).any()
            present |= set(np.unique(labels).tolist())
            ignored += (labels == 0).any()
    assert present == set(range(len(LABEL_NAMES) + 1))
    assert ignored


def test_labels_are_the_classes_of_the_owners():
    things = (Thing('star', (20.0, 20.0), 20.0, 0.0,
                    GRAY), Thing('ring', (50.0, 20.0), 20.0, 0.0, GRAY,
                                 'crowd'),
              Thing('bar', (40.0, 50.0), 12.0, 0.0, GRAY, 'clutter'))
    scene = Scene(64, 80, GRAY, things)
    owner = np.arange(-1, 3, dtype=np.int16)[None]
    labels = label_map(scene, Picture(np.zeros((1, 4, 3), np.uint8), owner))
    assert NOBODY == -1
    assert labels.tolist() == [[BACKGROUND_LABEL, CLASS_IDS['star'], 0, 0]]


def test_detection_dataset_of_the_toolbox_reads_it(data):
    import mmdet.datasets.transforms  # noqa: F401
    from mmdet.registry import DATASETS
    from mmengine.registry import init_default_scope
    init_default_scope('mmdet')
    dataset = DATASETS.build(
        dict(
            type='CocoDataset',
            data_root=str(data / 'det'),
            ann_file='annotations/instances_train.json',
            data_prefix=dict(img='train/'),
            metainfo=dict(classes=CLASSES),
            filter_cfg=dict(filter_empty_gt=True),
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
                dict(type='PackDetInputs')
            ]))
    assert len(dataset) == 12 - 1  # without the empty one
    for sample in dataset:
        truth = sample['data_samples'].gt_instances
        for box, mask in zip(truth.bboxes.tensor, truth.masks.masks):
            x0, y0, x1, y1 = box.round().int().tolist()
            assert mask[y0:y1, x0:x1].sum() >= 0.9 * mask.sum() > 0


def test_segmentation_dataset_of_the_toolbox_reads_it(data):
    from mmengine.registry import init_default_scope
    from mmseg.registry import DATASETS
    init_default_scope('mmseg')
    dataset = DATASETS.build(
        dict(
            type='BaseSegDataset',
            data_root=str(data / 'seg'),
            data_prefix=dict(
                img_path='images/train', seg_map_path='annotations/train'),
            metainfo=dict(classes=LABEL_NAMES),
            reduce_zero_label=True,
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='PackSegInputs')
            ]))
    assert len(dataset) == 12
    values = set()
    for sample in dataset:
        labels = sample['data_samples'].gt_sem_seg.data
        assert labels.shape[-2:] == sample['inputs'].shape[-2:]
        values |= set(labels.unique().tolist())
    assert values == {*range(len(LABEL_NAMES)), 255}
