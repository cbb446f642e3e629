"""CamVid: its labels, and the layout that the configs expect."""
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from PIL import Image
from tooling import run_tool

import projects.segmentation  # noqa: F401


@pytest.fixture
def segnet(tmp_path: Path) -> Path:
    """Two pictures and their label maps, as SegNet's tutorial has them."""
    source = tmp_path / 'CamVid'
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for folder, shape, high in ((split, (6, 8, 3), 256), (f'{split}annot',
                                                              (6, 8), 12)):
            (source / folder).mkdir(parents=True)
            pixels = rng.integers(0, high, shape, dtype=np.uint8)
            if high == 12:
                pixels[0] = 11
            Image.fromarray(pixels).save(source / folder / 'a.b.png')
    return source


def load(root: Path, **kwargs) -> np.ndarray:
    """Labels of the training picture."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = DATASETS.build(
            dict(
                type='CamVidDataset',
                data_root=str(root),
                data_prefix=dict(
                    img_path='images/train', seg_map_path='annotations/train'),
                pipeline=[
                    dict(type='LoadImageFromFile'),
                    dict(type='LoadCheckedAnnotations', num_classes=11),
                    dict(type='PackSegInputs')
                ],
                **kwargs))
        assert len(dataset) == 1
        return dataset[0]['data_samples'].gt_sem_seg.data.numpy()[0]


def prepare(source: Path, out: Path) -> str:
    done = run_tool('datasets/prepare_camvid.py', source, out)
    assert done.returncode == (0 if out.exists() else 1)
    return done.stdout + done.stderr


def test_prepared_data_loads(segnet: Path, tmp_path: Path) -> None:
    out = tmp_path / 'camvid'
    assert '1 pictures in train, 1 pictures in val' in prepare(segnet, out)
    expected = np.array(Image.open(segnet / 'trainannot/a.b.png'))
    np.testing.assert_array_equal(
        load(out), np.where(expected == 11, 255, expected))
    picture = np.array(Image.open(out / 'images/train/a.b.jpg'))
    assert picture.shape == (6, 8, 3)
    assert 'exists; delete it' in run_tool('datasets/prepare_camvid.py',
                                           segnet, out).stderr


def test_fewer_classes(segnet: Path, tmp_path: Path) -> None:
    prepare(segnet, tmp_path / 'camvid')
    labels = load(tmp_path / 'camvid', metainfo=dict(classes=('Car', 'Sky')))
    expected = np.array(Image.open(segnet / 'trainannot/a.b.png'))
    np.testing.assert_array_equal(labels == 0, expected == 8)
    np.testing.assert_array_equal(labels == 1, expected == 0)
    assert {*np.unique(labels)} <= {0, 1, 255}


def test_bad_sources(segnet: Path, tmp_path: Path) -> None:
    """One message each, and nothing is left behind."""
    out = tmp_path / 'camvid'
    labels = segnet / 'valannot/a.b.png'
    assert f'no folder {tmp_path}/train' in prepare(tmp_path, out)

    good = labels.read_bytes()
    labels.unlink()
    assert 'a.b.png: the label map of' in prepare(segnet, out)
    labels.write_bytes(good[:40])
    assert 'a.b.png is damaged or no picture' in prepare(segnet, out)
    Image.new('L', (8, 6), 12).save(labels)
    assert 'labels [12]; expected are 0 to 11' in prepare(segnet, out)
    Image.new('L', (6, 8)).save(labels)
    assert '6x8 pixels; expected one channel' in prepare(segnet, out)
    labels.write_bytes(good)
    assert 'pictures' in prepare(segnet, out)
