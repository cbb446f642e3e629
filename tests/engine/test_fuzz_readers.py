"""Damaged files end in one clear message, or in a sound sample.

A reader never crashes the process, hangs, or raises what names no file.
"""
import faulthandler
import json
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mutate import mutate_bytes, mutate_json
from PIL import Image
from videos import moving_picture, write_video

from projects.detection.annotations import CheckedCocoDataset
from projects.engine import ImageError, LoadCheckedImage
from projects.segmentation.label_maps import LoadCheckedAnnotations
from projects.shapes import Recipe, make_dataset
from projects.video import LoadVideoClip, VideoError

NUMBERS = [
    pytest.param(60),
    pytest.param(2000, marks=pytest.mark.slow),
]
pytestmark = pytest.mark.parametrize('number', NUMBERS)
HANG = 20.  # seconds that one file may take


@contextmanager
def no_hang() -> Iterator[None]:
    """End the process, with a traceback (under -s), when the time is over.

    Also from within a library that never returns to Python.
    """
    faulthandler.dump_traceback_later(HANG, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('fuzz') / 'shapes'
    make_dataset(root, Recipe('smoke'), jobs=1)
    return root


def pictures() -> dict[str, bytes]:
    """A small picture in the formats and modes that people have."""
    import io
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (24, 33, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    files = {}
    for suffix, mode, options in [('jpg', 'RGB', {}), ('jpg', 'CMYK', {}),
                                  ('jpg', 'L', {}),
                                  ('jpg', 'RGB', dict(progressive=True)),
                                  ('png', 'RGBA', {}), ('png', 'P', {}),
                                  ('png', 'I;16', {}), ('bmp', 'RGB', {}),
                                  ('webp', 'RGB', {}), ('tiff', 'RGB', {}),
                                  ('gif', 'P', {})]:
        buffer = io.BytesIO()
        picture = image.convert('L').convert('I') if mode == 'I;16' else image
        picture.convert(mode).save(buffer,
                                   'jpeg' if suffix == 'jpg' else suffix,
                                   **options)
        files[f'{mode}{len(files)}.{suffix}'.replace(';', '')] \
            = buffer.getvalue()
    return files


def test_images(number: int, tmp_path: Path) -> None:
    load = LoadCheckedImage()
    files = list(pictures().items())
    refused = 0
    for seed in range(number):
        name, content = files[seed % len(files)]
        path = tmp_path / f'{seed}_{name}'
        path.write_bytes(mutate_bytes(content, random.Random(seed)))
        try:
            with no_hang():
                results = load(dict(img_path=str(path)))
        except ImageError as error:
            assert str(path) in str(error), seed
            refused += 1
            continue
        image = results['img']
        assert image.dtype == np.uint8 and image.ndim == 3, seed
        assert image.shape == (*results['ori_shape'], 3), seed
        assert image.shape[0] * image.shape[1] <= load.max_pixels, seed
    assert number // 5 < refused < number


def test_coco_annotations(number: int, shapes: Path, tmp_path: Path) -> None:
    init_default_scope('mmdet')
    source = shapes / 'det/annotations/instances_train.json'
    content = json.loads(source.read_text())
    classes = [category['name'] for category in content['categories']]
    pipeline = [dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]

    def read(path: Path) -> None:
        dataset = CheckedCocoDataset(
            ann_file=str(path),
            data_prefix=dict(img=str(shapes / 'det/train')),
            metainfo=dict(classes=classes),
            pipeline=pipeline)
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            info['img_shape'] = info['ori_shape'] = (info['height'],
                                                     info['width'])
            info = dataset.pipeline(info)
            boxes = info['gt_bboxes']
            assert len(boxes) == len(info['gt_bboxes_labels']) \
                == len(info['gt_masks'])
            assert torch.isfinite(boxes.tensor).all()

    read(source)
    fuzz(number, tmp_path, 'instances.json', read, [
        lambda random: json.dumps(mutate_json(content, random)).encode(),
        lambda random: mutate_bytes(source.read_bytes(), random)
    ])


def test_label_maps(number: int, shapes: Path, tmp_path: Path) -> None:
    init_default_scope('mmseg')
    source = sorted((shapes / 'seg/annotations/train').iterdir())[0]
    width, height = Image.open(source).size
    load = LoadCheckedAnnotations(num_classes=9, reduce_zero_label=True)

    def read(path: Path) -> None:
        results = load(
            dict(
                img_path='image.jpg',
                seg_map_path=str(path),
                ori_shape=(height, width),
                reduce_zero_label=True,
                seg_fields=[]))
        labels = results['gt_seg_map']
        assert labels.shape == (height, width)
        assert ((labels < 9) | (labels == 255)).all()

    read(source)
    fuzz(number, tmp_path, source.name, read,
         [lambda random: mutate_bytes(source.read_bytes(), random)])


# codec and options by file name: several containers and codecs, with and
# without frames that come in another order
VIDEOS = {
    'bframes.mp4': ('libx264', dict(bf='2', g='5')),
    'plain.avi': ('mpeg4', dict(bf='0', g='5')),
    'matroska.mkv': ('libx264', dict(bf='2', g='4')),
    'stream.ts': ('mpeg4', dict(bf='1', g='4')),
    'nine.webm': ('libvpx-vp9', {
        'g': '6',
        'b': '50k',
        'cpu-used': '8'
    }),
}


def test_videos(number: int, tmp_path: Path) -> None:
    """A clip is refused by name, or has the frames that were asked for."""
    load = LoadVideoClip(
        lambda length, clip, clips: np.linspace(0, length - 1, 4).astype(int))
    frames = moving_picture(12, 32, 40)
    files = {
        name: write_video(tmp_path / name, frames, codec,
                          **options).read_bytes()
        for name, (codec, options) in VIDEOS.items()
    }
    for name in files:  # undamaged ones are read
        load(dict(video_path=str(tmp_path / name)))
    names, refused = list(files), 0
    for seed in range(number):
        name = names[seed % len(names)]
        path = tmp_path / f'{seed}_{name}'
        path.write_bytes(mutate_bytes(files[name], random.Random(seed)))
        try:
            with no_hang():
                results = load(dict(video_path=str(path)))
        except VideoError as error:
            assert str(path) in str(error), (seed, str(error))
            refused += 1
        else:
            clip = results['clip']
            assert clip.dtype == np.uint8 and clip.shape == (
                4, *results['img_shape'], 3), seed
        path.unlink()
    assert number // 10 < refused < number


def fuzz(number: int, folder: Path, name: str, read: Callable[[Path], None],
         mutations: list[Callable[[random.Random], bytes]]) -> None:
    """Read mutated files; a refusal is a ValueError that names the file."""
    refused = 0
    for seed in range(number):
        path = folder / f'{seed}_{name}'
        path.write_bytes(mutations[seed % len(mutations)](random.Random(seed)))
        try:
            with no_hang():
                read(path)
        except (ValueError, FileNotFoundError) as error:
            assert str(path) in str(error), (seed, str(error)[:300])
            refused += 1
        except Exception as error:
            raise AssertionError(f'seed {seed}: {type(error).__name__}: '
                                 f'{error}') from error
    assert number // 5 < refused < number
