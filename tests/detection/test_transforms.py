"""The two large-scale-jitter pipelines, as the configs state them."""
import numpy as np
import pytest
import torch
from detectors import CONFIGS
from mmcv.transforms import Compose
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

import projects.detection  # noqa: F401
from projects.detection import DiagonalRandomCrop

DATASETS = {
    'gray': 'coco-instance_lsj-1024',
    'flip-first': 'coco-instance_lsj-1024_flip-first',
}


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture(scope='module')
def sample(tmp_path_factory):
    """A 120 x 80 image: one large object, one of a few pixels."""
    path = tmp_path_factory.mktemp('image') / 'image.png'
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 100, (80, 120, 3), np.uint8)).save(path)

    def instance(x, y, width, height):
        polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
        return dict(
            bbox=[x, y, x + width, y + height],
            bbox_label=0,
            mask=[polygon],
            ignore_flag=0)

    instances = [instance(10, 5, 90, 60), instance(110, 70, 2, 2)]
    return dict(
        img_path=str(path),
        img_id=1,
        seg_map_path=None,
        height=80,
        width=120,
        instances=instances)


def pipeline(name, part='train', side=64):
    """The config's pipeline at another size."""
    cfg = Config.fromfile(CONFIGS / f'_base_/datasets/{DATASETS[name]}.py')
    steps = cfg[f'{part}_dataloader'].dataset.pipeline
    for step in steps:
        for key in ('scale', 'crop_size', 'size'):
            if key in step:
                step[key] = (side, side)
    return steps


def run(steps, sample, seed=0):
    np.random.seed(seed)
    return Compose([TRANSFORMS.build(step) for step in steps])(dict(sample))


def test_order_of_the_steps():
    names = {name: [step['type'] for step in pipeline(name)]
             for name in DATASETS}  # yapf: disable
    assert names['gray'] == [
        'LoadImageFromFile', 'LoadAnnotations', 'RandomResize',
        'DiagonalRandomCrop', 'Pad', 'RandomFlip', 'FilterAnnotations',
        'PackDetInputs'
    ]
    assert names['flip-first'] == [
        'LoadImageFromFile', 'LoadAnnotations', 'RandomFlip', 'RandomResize',
        'DiagonalRandomCrop', 'FilterAnnotations', 'PackDetInputs'
    ]


def test_crop_lies_on_the_diagonal():
    crop = DiagonalRandomCrop((10, 10))
    offsets = np.array([crop._rand_offset((300, 100)) for _ in range(100)])
    assert np.abs(offsets[:, 0] / 3 - offsets[:, 1]).max() <= 1
    assert offsets.min() >= 0 and offsets[:, 0].max() <= 300
    assert np.ptp(offsets[:, 0]) > 200
    assert crop._rand_offset((0, 0)) == (0, 0)


@pytest.mark.parametrize('name', DATASETS)
def test_boxes_follow_masks_and_lost_objects_go(name, sample):
    counts = set()
    for seed in range(12):
        out = run(pipeline(name), sample, seed)
        truth = out['data_samples'].gt_instances
        counts.add(len(truth))
        boxes = truth.masks.get_bboxes('hbox').tensor
        torch.testing.assert_close(truth.bboxes.tensor, boxes)
        assert (truth.masks.areas > 0).all()
        assert len(truth.labels) == len(boxes)
        shape = out['data_samples'].img_shape
        assert out['inputs'].shape[1:] == shape
        assert (name == 'gray') == (tuple(shape)
                                    == (64, 64)) or max(shape) <= 64
    assert counts >= {1, 2}


def test_padding_is_gray_and_flipped_with_the_image(sample):
    """Shrunk images sit at the top left, or top right when flipped."""
    sides = set()
    for seed in range(30):
        out = run(pipeline('gray'), sample, seed)
        image = out['inputs']
        # image values are below 100
        padded = (image == 128).all(dim=0)
        if not padded.any() or padded.all(dim=0).sum() == 0:
            continue
        columns = padded.all(dim=0).nonzero()[:, 0]
        flipped = out['data_samples'].flip
        sides.add(flipped)
        assert columns[0 if flipped else -1] == (0 if flipped else 63)
    assert sides == {False, True}


def test_an_image_may_lose_all_objects(sample):
    """It is trained on nevertheless: all its regions are background."""
    sample = dict(sample, instances=sample['instances'][1:])
    sizes = {
        len(run(pipeline('gray'), sample, seed)['data_samples'].gt_instances)
        for seed in range(20)
    }
    assert sizes == {0, 1}


@pytest.mark.parametrize('name, shape', [('gray', (64, 64)),
                                         ('flip-first', (43, 64))])
def test_testing_fits_the_image_into_the_square(name, shape, sample):
    out = run(pipeline(name, 'val'), sample)
    assert tuple(out['data_samples'].img_shape) == shape
    assert tuple(out['data_samples'].ori_shape) == (80, 120)
    if name == 'gray':
        assert (out['inputs'][:, 43:] == 128).all()
        assert (out['inputs'][:, :43] < 128).all()
    # truth stays in the original size, in which predictions are compared
    boxes = out['data_samples'].gt_instances.bboxes.tensor
    assert boxes[0].tolist() == [10, 5, 100, 65]
