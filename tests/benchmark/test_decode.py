"""``tools/benchmark.py decode`` on images and on videos."""
import time

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, TRANSFORMS, init_default_scope
from videos import moving_picture, write_video

from projects.benchmark.data import measure_decode, transform_times
from projects.benchmark.variants import Variant
from projects.shapes import Recipe, make_dataset


def images(folder):
    make_dataset(folder / 'shapes', Recipe('smoke', parts=('cls', )), jobs=1)
    return dict(
        type='CustomDataset',
        data_root=str(folder / 'shapes/cls/train'),
        pipeline=[dict(type='LoadImageFromFile'),
                  dict(type='PackInputs')])


def videos(folder):
    write_video(folder / 'v.mp4', moving_picture(150, 96, 128), g='10')
    (folder / 'list.txt').write_text('v.mp4 0')
    return dict(
        type='ListedVideos',
        data_root=str(folder),
        ann_file='list.txt',
        pipeline=[
            dict(type='LoadVideoClip', sampler=dict(type='DenseFrames')),
            dict(type='PackClip')
        ])


@pytest.mark.parametrize('make', [images, videos])
def test_pipeline_and_bare_decoding(tmp_path, make):
    import projects.video  # noqa: F401, registers
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            train_dataloader=dict(dataset=make(tmp_path))))
    picture = tmp_path / 'transforms.png'
    report = measure_decode(Variant('c', cfg), 3, 5, 1, str(picture))
    assert picture.read_bytes()[:4] == b'\x89PNG'
    assert {result.unit for result in report.results} == {make.__name__}
    assert all(result.rate > 0 for result in report.results)
    if make is videos:  # 64 of 150 frames are decoded
        assert report.ratios()['cpu']['median'] > 1.2


def test_times_of_transforms(tmp_path):
    """Each counted; the slowest first."""
    cfg = images(tmp_path)
    cfg['pipeline'] += [dict(type='Slow')]
    init_default_scope('mmpretrain')
    times = transform_times(DATASETS.build(cfg), 3)
    assert list(times)[0] == 'Slow'
    assert set(times) == {'Slow', 'LoadImageFromFile', 'PackInputs'}
    assert times['Slow'] >= .06


@TRANSFORMS.register_module()
class Slow:
    """Keeps the processor busy for 20 ms."""

    def __call__(self, results):
        start = time.process_time()
        while time.process_time() < start + .02:
            pass
        return results
