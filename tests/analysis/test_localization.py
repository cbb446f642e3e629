"""The localisation protocol: answers known by hand, and real data."""
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from PIL import Image
from tooling import run_tool
from torch import nn

from projects.analysis.box_pairs import AREAS, ASPECTS, BoxPairs, random_boxes
from projects.analysis.localization import PairLocalization, similarity
from projects.engine import launch
from projects.shapes import CLASSES, Recipe, make_dataset

RED, BLUE = (200, 0, 0), (0, 0, 200)
EXTREMA = ('configs/extrema/pretrain/'
           'extrema_base-mask08x5_8xb256-amp-coslr-300e_in1k.py')
TINY = ('model.backbone.arch=tiny', 'model.backbone.img_size=64')


def boxes(*corners) -> torch.Tensor:
    return torch.tensor(corners, dtype=torch.float64)


def test_metric_of_pairs_with_known_overlaps() -> None:
    """IoUs 1, 1/2, 0 and 1/4, 3/4; the second and the second are chosen."""
    metric = PairLocalization()
    metric.process(
        None,
        [
            dict(
                similarity=torch.tensor([0.1, 0.9, 0.3]),
                candidates=boxes((0, 0, 10, 10), (0, 0, 10, 20),
                                 (20, 20, 30, 30)),
                true_boxes=boxes((0, 0, 10, 10))),
            # two objects: the one that overlaps more counts
            dict(
                similarity=torch.tensor([-0.5, -0.4]),
                candidates=boxes((0, 0, 10, 10), (50, 50, 60, 60)),
                true_boxes=boxes((0, 0, 10, 40), (50, 50, 57.5, 60))),
        ])
    metrics = metric.evaluate(2)
    assert metrics == pytest.approx({
        'pairs/mIoU':
        100 * (1 / 2 + 3 / 4) / 2,
        'pairs/success':
        50.,  # half is not above a half
        'pairs/oracle_mIoU':
        100 * (1 + 3 / 4) / 2,
        'pairs/oracle_success':
        100.,
        'pairs/random_mIoU':
        100 * (1 / 2 + 1 / 2) / 2,
        'pairs/random_success':
        100 * (1 / 3 + 1 / 2) / 2,
    })


@pytest.mark.parametrize('height, width', [(100, 100), (60, 200), (300, 50)])
def test_random_boxes_have_the_stated_sizes(height: int, width: int) -> None:
    drawn = random_boxes(500, height, width, np.random.default_rng(0))
    x1, y1, x2, y2 = drawn.T
    assert (x1 >= 0).all() and (y1 >= 0).all()
    assert (x2 <= width).all() and (y2 <= height).all()
    share = (x2 - x1) * (y2 - y1) / (height * width)
    aspect = (x2 - x1) / (y2 - y1)
    assert AREAS[0] <= share.min() and share.max() <= AREAS[1]
    slack = 1e-9
    assert ASPECTS[0] - slack <= aspect.min()
    assert aspect.max() <= ASPECTS[1] + slack
    assert share.min() < 0.1  # small ones fit everywhere
    again = random_boxes(500, height, width, np.random.default_rng(0))
    assert (drawn == again).all() and len(drawn) == 500


@pytest.fixture
def coco(tmp_path: Path) -> dict:
    """Three images: one class in two of them, one in a third only."""
    image = np.zeros((80, 100, 3), np.uint8)
    image[20:60, 10:50] = RED
    Image.fromarray(image).save(tmp_path / '1.png')
    other = np.zeros((90, 120, 3), np.uint8)
    other[0:40, 60:120] = RED
    Image.fromarray(other).save(tmp_path / '2.png')
    Image.new('RGB', (64, 64), BLUE).save(tmp_path / '3.png')

    def annotation(number: int,
                   image_id: int,
                   category: int,
                   box: list,
                   crowd: int = 0) -> dict:
        return dict(id=number, image_id=image_id, category_id=category,
                    bbox=box, area=box[2] * box[3],
                    iscrowd=crowd)  # yapf: disable

    return dict(
        images=[
            dict(id=1, file_name='1.png', width=100, height=80),
            dict(id=2, file_name='2.png', width=120, height=90),
            dict(id=3, file_name='3.png', width=64, height=64),
        ],
        categories=[dict(id=7, name='red'),
                    dict(id=9, name='blue')],
        annotations=[
            annotation(1, 1, 7, [10, 20, 40, 40]),
            annotation(2, 1, 7, [10, 20, 40, 5]),  # too small to look for
            annotation(3, 2, 7, [60, 0, 60, 40]),
            annotation(4, 2, 7, [0, 0, 90, 90], crowd=1),
            annotation(5, 3, 9, [0, 0, 64, 64]),
            annotation(6, 3, 7, [0, 0, 64, 30]),  # small on one side
        ])


def task(content: dict, folder: Path, **options) -> BoxPairs:
    file = folder / 'instances.json'
    file.write_text(json.dumps(content))
    return BoxPairs(str(file), str(folder), **options)


def test_pairs_of_a_file(coco: dict, tmp_path: Path) -> None:
    """Both orders of the only two images; crowds are no objects."""
    pairs = task(coco, tmp_path, num_candidates=3, crop_size=8)
    assert len(pairs) == 2
    assert sorted((pair.query_image['id'], pair.image['id'])
                  for pair in pairs.pairs) == [(1, 2), (2, 1)]
    for pair, sample in zip(pairs.pairs, map(pairs.__getitem__, range(2))):
        first = pair.query_image['id'] == 1
        assert pair.category == sample['category'] == 'red'
        assert pair.query_box.tolist() == ([10, 20, 50, 60]
                                           if first else [60, 0, 120, 40])
        assert sample['true_boxes'].tolist() == ([[60, 0, 120, 40]] if first
                                                 else [[10, 20, 50, 60],
                                                       [10, 20, 50, 25]])
        assert sample['crops'].shape == (4, 3, 8, 8)
        assert sample['candidates'].shape == (3, 4)
        # the crop of the query is the object, and nothing but it
        assert (sample['crops'][0] == torch.tensor(RED)[:, None, None]).all()
    smaller = task(coco, tmp_path, min_side=30)
    assert len(smaller) == 5  # of six ordered pairs of three images
    assert len(task(coco, tmp_path, min_side=30, pairs_per_class=9)) == 6


def test_seed_decides(coco: dict, tmp_path: Path) -> None:
    one, again, other = (
        task(coco, tmp_path, num_candidates=5, seed=seed)[0]['candidates']
        for seed in (3, 3, 4))
    assert one.equal(again) and not one.equal(other)


class MeanColour(nn.Module):
    """The mean colour of an image is its vector."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.scale * x, )  # a map: its mean is taken


def test_similarity_is_the_cosine_with_the_query() -> None:
    crops = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    crops[0, 0] = 200  # red
    crops[1, 2] = 90  # blue
    crops[2, 0] = 10  # red
    crops[3, 0, :4] = crops[3, 1, :4] = 50  # yellow
    found = similarity(MeanColour(), lambda x: x.float(), crops, batch_size=3)
    torch.testing.assert_close(found, torch.tensor([0, 1, 0.5**0.5]))


def test_bad_files(coco: dict, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='none.json does not exist'):
        BoxPairs(str(tmp_path / 'none.json'), str(tmp_path))
    (tmp_path / 'text.json').write_text('boxes')
    with pytest.raises(ValueError, match='text.json is not a JSON file'):
        BoxPairs(str(tmp_path / 'text.json'), str(tmp_path))
    with pytest.raises(ValueError, match='no class has two images .* 300'):
        task(coco, tmp_path, min_side=300)
    with pytest.raises(ValueError, match='num_candidates is 0'):
        task(coco, tmp_path, num_candidates=0)
    with pytest.raises(FileNotFoundError, match='1.png does not exist'):
        file = str(tmp_path / 'instances.json')
        BoxPairs(file, str(tmp_path / 'elsewhere'))
    wide = {
        **coco, 'images':
        [dict(coco['images'][0], width=101)] + coco['images'][1:]
    }
    with pytest.raises(ValueError, match='100x80 pixels; its .* 101x80'):
        task(wide, tmp_path)[0]
    outside = {
        **coco, 'annotations':
        [dict(coco['annotations'][0], bbox=[90, 0, 30, 30])]
    }
    with pytest.raises(ValueError, match='annotation 1: box .* not inside'):
        task(outside, tmp_path)
    with pytest.raises(ValueError, match="'categories' is missing"):
        task({'images': coco['images']}, tmp_path)


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('shapes') / 'data'
    make_dataset(folder, Recipe('smoke', parts=('det', )), jobs=1)
    return folder / 'det'


def test_tool_on_shapes(shapes: Path, tmp_path: Path) -> None:
    """Instance tokens of student and teacher; the same again; an error."""
    cfg = launch.load_config(EXTREMA, {
        'model.backbone.arch': 'tiny',
        'model.backbone.img_size': 64
    })
    weights = {}
    prefixes = 'backbone.', 'target_net.module.0.'
    for prefix in prefixes:
        backbone = MODELS.build(cfg.model.backbone)
        backbone.init_weights()
        weights |= {
            f'{prefix}{name}': value
            for name, value in backbone.state_dict().items()
        }
    checkpoint = tmp_path / 'pretrained.pth'
    torch.save(weights, checkpoint)

    def measure(*options) -> subprocess.CompletedProcess:
        return run_tool('analysis/localization.py', EXTREMA, checkpoint,
                        '--ann-file',
                        shapes / 'annotations/instances_train.json',
                        '--img-dir', shapes / 'train', '--pairs', 1,
                        '--candidates', 20, '--min-side', 16, '--size', 64,
                        *options, '--cfg-options', *TINY)

    scores = []
    for prefix in (prefixes[0], *prefixes):
        out = tmp_path / 'scores.json'
        done = measure('--json', out, '--prefix', prefix)
        assert done.returncode == 0, done.stderr
        scores.append(json.loads(out.read_text()))
    student, again, teacher = scores
    assert student == again
    # the same boxes, judged by another encoder
    for name, value in student.items():
        of_boxes = 'oracle' in name or 'random' in name
        assert not of_boxes or teacher[name] == value
    assert student['pairs/mIoU'] != teacher['pairs/mIoU']
    assert f'pairs: {len(CLASSES)}' in done.stdout
    assert 0 < student['pairs/random_mIoU'] < student['pairs/oracle_mIoU']
    assert 0 <= student['pairs/mIoU'] <= student['pairs/oracle_mIoU'] < 100
    assert student['pairs/success'] % (100 / len(CLASSES)) == 0

    done = measure('--prefix', 'ema.')
    assert done.returncode
    assert 'no weights under the prefix' in done.stderr
    assert 'Traceback' not in done.stderr
