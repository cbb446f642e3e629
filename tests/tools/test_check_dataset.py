"""tools/datasets/check.py finds what training would stumble over."""
import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from projects.shapes import Recipe, make_dataset

TOOL = Path(__file__).parents[2] / 'tools/datasets/check.py'

SEGMENTATION = """
default_scope = 'mmseg'
custom_imports = dict(imports=['projects.segmentation'])
train_dataloader = dict(dataset=dict(
    type='BaseSegDataset', metainfo=dict(classes=list('abcdefghi')),
    data_root={root!r}, img_suffix='.jpg', reduce_zero_label=True,
    data_prefix=dict(
        img_path='seg/images/train', seg_map_path='seg/annotations/train'),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadCheckedAnnotations', num_classes=9),
        dict(type='RandomCrop', crop_size=(8, 8)),
        dict(type='PackSegInputs')]))
"""
DETECTION = """
default_scope = 'mmdet'
custom_imports = dict(imports=['projects.detection'])
val_dataloader = dict(dataset=dict(
    type='CocoDataset', data_root={root!r},
    metainfo=dict(classes={classes!r}),
    ann_file='det/annotations/instances_val.json',
    data_prefix=dict(img='det/val'),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='PackDetInputs')]))
"""
CLASSIFICATION = """
default_scope = 'mmpretrain'
train_dataloader = dict(dataset=dict(
    type='CustomDataset', data_root={root!r}, data_prefix='cls/train',
    pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')]))
val_dataloader = dict(dataset=dict(
    type='CustomDataset', data_root={root!r}, data_prefix='cls/val',
    pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')]))
test_dataloader = val_dataloader
"""


@pytest.fixture
def shapes(tmp_path: Path, shapes_once: Path) -> Path:
    return Path(shutil.copytree(shapes_once, tmp_path / 'shapes'))


@pytest.fixture(scope='module')
def shapes_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('check') / 'shapes'
    make_dataset(root, Recipe('smoke'), jobs=1)
    return root


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Run the tool in this process: its status, output and report."""

    def run(text: str, jobs: int = 0, **values: object) -> tuple:
        config = tmp_path / 'config.py'
        config.write_text(text.format(**values))
        out = tmp_path / 'report.json'
        monkeypatch.setattr(
            'sys.argv',
            ['check.py',
             str(config), '--out',
             str(out), '--jobs',
             str(jobs)])
        monkeypatch.setattr('sys.path', ['', *sys.path])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(TOOL), run_name='__main__')
        report = json.loads(out.read_text()) if out.exists() else None
        return ended.value.code, capsys.readouterr().out, report

    return run


def found(report: dict, phase: str) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for item in report[phase]['findings']:
        kinds.setdefault(item['kind'], []).append(Path(item['path']).name)
    return kinds


def test_a_good_folder(check, shapes):
    code, out, report = check(CLASSIFICATION, jobs=2, root=str(shapes))
    assert code == 0
    assert set(report) == {'train', 'val'}  # the test set is the val set
    images = [*(shapes / 'cls/train').rglob('*.*')]
    assert report['train']['samples'] == len(images)
    assert report['train']['findings'] == []
    sizes = [Image.open(path).size for path in images]
    areas = [width * height for width, height in sizes]
    assert np.prod(report['train']['smallest']) == min(areas)
    assert np.prod(report['train']['largest']) == max(areas)


def test_bad_images_of_a_class_folder(check, shapes):
    first, second, third, *_ = sorted((shapes / 'cls/train').rglob('*.jpg'))
    first.write_bytes(first.read_bytes()[:-200])
    second.write_bytes(b'')
    leaked = sorted((shapes / 'cls/val').rglob('*.jpg'))[0]
    leaked.write_bytes(third.read_bytes())
    code, out, report = check(CLASSIFICATION, root=str(shapes))
    assert code == 1
    assert found(report, 'train') == {'unreadable': [first.name, second.name]}
    assert found(report, 'val') == {'duplicate': [leaked.name]}
    assert str(first) in out and f'the same file as {third}' in out


def test_label_maps(check, shapes):
    maps = sorted((shapes / 'seg/annotations/train').iterdir())
    images = sorted((shapes / 'seg/images/train').iterdir())
    maps[0].unlink()
    size = Image.open(images[1]).size
    Image.fromarray(np.full(size[::-1], 77, np.uint8)).save(maps[1])
    Image.fromarray(np.ones((3, 3), np.uint8)).save(maps[2])
    code, out, report = check(SEGMENTATION, root=str(shapes))
    assert code == 1
    assert found(report, 'train') == {
        'missing': [images[0].name],
        'unreadable': [images[1].name, images[2].name]
    }
    assert 'beyond the 9 classes' in out and '3x3 pixels' in out


def test_detection(check, shapes):
    path = shapes / 'det/annotations/instances_val.json'
    content = json.loads(path.read_text())
    classes = [category['name'] for category in content['categories']]
    content['images'][0]['width'] += 5
    dropped = content['images'].pop()
    content['annotations'] = [
        annotation for annotation in content['annotations']
        if annotation['image_id'] != dropped['id']
    ]
    path.write_text(json.dumps(content))
    code, out, report = check(DETECTION, root=str(shapes), classes=classes)
    assert code == 1
    assert found(report, 'val') == {
        'mis-sized': [Path(content['images'][0]['file_name']).name],
        'unused': [Path(dropped['file_name']).name]
    }


def test_data_that_is_not_there(check, tmp_path):
    code, _, report = check(CLASSIFICATION, root=str(tmp_path / 'nowhere'))
    assert 'check: error:' in code and 'nowhere' in code
    assert report is None
