"""COCO's metrics in C++: the numbers of pycocotools, and its place."""
import json
from importlib import util

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmdet.evaluation.metrics.faster_coco_metric import FasterCocoMetric
from pycocotools.coco import COCO

from projects.engine import runner
from projects.shapes import CLASSES, Recipe, make_dataset


@pytest.fixture(scope='module')
def truth(tmp_path_factory):
    """Annotations, some of them of crowds, of objects of all sizes."""
    folder = tmp_path_factory.mktemp('shapes')
    make_dataset(folder, Recipe('smoke', parts=('det', )), jobs=1)
    file = folder / 'det/annotations/instances_val.json'
    content = json.loads(file.read_text())
    coco = COCO(str(file))
    for index, entry in enumerate(content['annotations']):
        if index % 7 == 0:
            rle = coco.annToRLE(entry)
            rle['counts'] = rle['counts'].decode()
            entry.update(iscrowd=1, segmentation=rle)
    file.write_text(json.dumps(content))
    return file


def predictions(file):
    """Samples as detectors give them: shifted, doubled, of wrong classes."""
    coco, random = COCO(str(file)), np.random.RandomState(0)
    order = coco.getCatIds()
    for image in coco.loadImgs(coco.getImgIds()):
        found = dict(bboxes=[], masks=[], labels=[], scores=[])
        for entry in coco.loadAnns(coco.getAnnIds(imgIds=image['id'])) * 2:
            dx, dy = random.randint(-6, 7, 2)
            x, y, width, height = entry['bbox']
            mask = np.roll(coco.annToMask(entry), (dy, dx), (0, 1))
            label = order.index(entry['category_id'])
            if random.rand() < 0.3:
                label = random.randint(len(order))
            found['bboxes'].append([x + dx, y + dy, x + dx + width,
                                    y + dy + height])  # yapf: disable
            found['masks'].append(mask)
            found['labels'].append(label)
            found['scores'].append(round(random.rand(), 1))  # some are equal
        yield dict(
            img_id=image['id'],
            ori_shape=(image['height'], image['width']),
            pred_instances={
                name: torch.tensor(np.array(values))
                for name, values in found.items()
            })


@pytest.mark.parametrize('proposals', [(100, 300, 1000), (1, 10, 100)])
def test_numbers_are_those_of_pycocotools(truth, proposals):
    samples = list(predictions(truth))
    found = []
    for kind in (CocoMetric, FasterCocoMetric):
        metric = kind(
            ann_file=str(truth),
            metric=['bbox', 'segm', 'proposal'],
            classwise=True,
            proposal_nums=proposals)
        metric.dataset_meta = dict(classes=CLASSES)
        metric.process({}, samples)
        found.append(metric.evaluate(len(samples)))
    mine, theirs = found
    assert len(theirs) > 20 and 0.05 < theirs['coco/segm_mAP'] < 0.9
    assert mine == pytest.approx(theirs, abs=1e-12, nan_ok=True)


def test_it_takes_the_place_of_pycocotools_where_installed(monkeypatch):
    """Of mmdet's metric with a file of annotations, in any config."""
    metric = dict(type='CocoMetric', ann_file='val.json', metric='bbox')
    others = [
        dict(type='CocoMetric', metric='bbox'),
        dict(metric, proposal_nums=(1, 2, 3)),
        dict(type='DumpResults', out_file_path='out.pkl'),
        dict(metrics=[])
    ]
    assert runner.fast_metric(metric) == dict(metric, type='FasterCocoMetric')
    assert [runner.fast_metric(other) for other in others] == others
    monkeypatch.setattr(util, 'find_spec', lambda name: None)
    assert runner.fast_metric(metric) == metric
