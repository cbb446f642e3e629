"""Metrics of saved predictions.

That they are those of the test itself: ``detection/test_training.py``.
"""
import pickle

import pytest
import torch
from detectors import FPN, on_shapes
from pycocotools.coco import COCO
from tooling import run_tool

from projects.shapes import Recipe, make_dataset


@pytest.fixture
def project(tmp_path):
    """A config, and a function that writes predictions for it."""
    make_dataset(tmp_path / 'data', Recipe('smoke', parts=('det', )), jobs=1)
    cfg = on_shapes(FPN, tmp_path / 'data/det')
    config = tmp_path / 'config.py'
    config.write_text('\n'.join(f'{name} = {value!r}'
                                for name, value in cfg.to_dict().items()))

    def write(predictions):
        path = tmp_path / 'predictions.pkl'
        path.write_bytes(pickle.dumps(predictions))
        return path

    return config, cfg.test_evaluator.ann_file, write


def truth_as_predictions(ann_file):
    coco = COCO(ann_file)
    predictions = []
    for image in coco.loadImgs(coco.getImgIds()):
        anns = coco.loadAnns(coco.getAnnIds(image['id'], iscrowd=False))
        boxes = torch.tensor([ann['bbox'] for ann in anns]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        predictions.append(
            dict(
                img_id=image['id'],
                ori_shape=(image['height'], image['width']),
                pred_instances=dict(
                    bboxes=boxes.float(),
                    labels=torch.tensor(
                        [ann['category_id'] - 1 for ann in anns]).long(),
                    scores=torch.full((len(anns), ), .9),
                    masks=[coco.annToRLE(ann) for ann in anns])))
    return predictions


def test_the_truth_scores_one_and_less_of_it_less(project):
    config, ann_file, write = project
    predictions = truth_as_predictions(ann_file)
    done = run_tool('analysis/eval_metric.py', config, write(predictions))
    assert done.returncode == 0, done.stderr
    assert 'coco/bbox_mAP: 1.0' in done.stdout
    assert 'coco/segm_mAP: 1.0' in done.stdout
    for prediction in predictions:
        prediction['pred_instances']['bboxes'] += 3
    done = run_tool('analysis/eval_metric.py', config, write(predictions))
    assert 'coco/bbox_mAP: 0.' in done.stdout
    assert 'coco/segm_mAP: 1.0' in done.stdout


def test_bad_files_are_named(project, tmp_path):
    config, _, write = project
    done = run_tool('analysis/eval_metric.py', config, tmp_path / 'no.pkl')
    assert done.returncode and 'no.pkl do not exist' in done.stderr
    done = run_tool('analysis/eval_metric.py', config, write({'loss': 1}))
    assert done.returncode
    assert 'predictions.pkl is not a list of predictions' in done.stderr
    path = write([dict(img_id=1)])
    path.write_bytes(path.read_bytes()[:9])
    done = run_tool('analysis/eval_metric.py', config, path)
    assert done.returncode
    assert 'predictions.pkl cannot be read' in done.stderr
