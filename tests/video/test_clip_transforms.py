"""Transforms treat all frames of a clip alike, and as the protocol says."""
import random

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.models.utils import RandomBatchAugment
from mmpretrain.registry import TRANSFORMS
from videos import moving_picture

from projects.video import ClipMultiScaleCrop

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

RAND_AUGMENT = dict(
    type='RandAugment',
    policies='timm_increasing',
    num_policies=4,
    total_level=10,
    magnitude_level=7,
    magnitude_std=0.5,
    hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'))


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')


def apply(clip, seed=0, view=(0, 1), **config):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    results = dict(
        clip=clip.copy(),
        crop_index=view[0],
        num_crops=view[1],
        video_path='v')
    return TRANSFORMS.build(config)(results)['clip']


def still(count=4, height=40, width=52):
    """The same picture again and again: what differs was drawn anew."""
    return moving_picture(1, height, width).repeat(count, 0)


CONFIGS = [
    RAND_AUGMENT,
    dict(type='RandomResizedCrop', scale=32),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, hue=0.1),
    dict(type='RandomErasing', erase_prob=0.9, mode='rand'),
    dict(type='torchvision/RandomRotation', degrees=40),
]


@pytest.mark.parametrize('config', CONFIGS, ids=lambda c: c['type'])
def test_every_frame_meets_the_same_choices(config):
    if config['type'].startswith('torchvision'):
        chain = [dict(type='NumpyToPIL'), config, dict(type='PILToNumpy')]
    else:
        chain = [config]
    results = [
        apply(still(), seed, type='OnEveryFrame', transforms=chain)
        for seed in range(12)
    ]
    for clip in results:
        assert (clip == clip[:1]).all()
    assert len({clip.tobytes() for clip in results}) > 1


def test_frames_are_the_transformed_images():
    """Each is what the image transform makes of it alone, in BGR."""
    clip = moving_picture(5, 40, 52)
    for seed in range(10):
        together = apply(
            clip, seed, type='OnEveryFrame', transforms=[RAND_AUGMENT])
        for number, frame in enumerate(clip):
            np.random.seed(seed)
            alone = TRANSFORMS.build(RAND_AUGMENT)(
                dict(img=frame[..., ::-1].copy()))['img'][..., ::-1]
            assert np.array_equal(together[number], alone)


def test_random_numbers_go_on_after_the_clip():
    """Two clips in a row do not meet the same choices."""
    transform = TRANSFORMS.build(
        dict(type='OnEveryFrame', transforms=[RAND_AUGMENT]))
    clips = [transform(dict(clip=still()))['clip'] for _ in range(4)]
    assert len({clip.tobytes() for clip in clips}) > 1


def test_flip_is_left_right_and_can_be_left_out():
    clip = moving_picture(3)
    flip = dict(type='RandomFlip', prob=1., direction='horizontal')
    flipped = apply(clip, type='OnEveryFrame', transforms=[flip])
    assert np.array_equal(flipped, clip[:, :, ::-1])
    flip['prob'] = 0.
    assert np.array_equal(
        apply(clip, type='OnEveryFrame', transforms=[flip]), clip)


def test_multi_scale_crop_has_ten_shapes_and_thirteen_places():
    crop = ClipMultiScaleCrop(224)
    found = {crop.choose(320, 426) for _ in range(4000)}
    sides = [320, 280, 240, 211]  # int(320 * 1, .875, .75, .66)
    shapes = {(h, w) for *_, h, w in found}
    assert shapes == {(sides[i], sides[j])
                      for i in range(4)
                      for j in range(4) if abs(i - j) <= 1}
    for height, width in shapes:
        places = {(t, l) for t, l, h, w in found if (h, w) == (height, width)}
        dy, dx = (320 - height) // 4, (426 - width) // 4
        lattice = {(dy * i, dx * j)
                   for i in range(5)
                   for j in range(5) if i % 2 == j % 2}
        assert len(crop.PLACES) == 13 and places == lattice
        assert max(t for t, _ in places) + height <= 320
        assert max(l for _, l in places) + width <= 426


@pytest.mark.parametrize('size', [(40, 52), (33, 17), (5, 3), (1, 1)])
def test_multi_scale_crop_of_any_size(size):
    for seed in range(10):
        clip = apply(still(3, *size), seed, type='ClipMultiScaleCrop', size=16)
        assert clip.shape == (3, 16, 16, 3) and clip.dtype == np.uint8
        assert (clip == clip[:1]).all()


def test_multi_scale_crop_cuts_what_it_says():
    clip = moving_picture(2, 64, 80)
    np.random.seed(1)
    top, left, height, width = ClipMultiScaleCrop(1).choose(64, 80)
    cut = apply(clip, 1, type='ClipMultiScaleCrop', size=(height, width))
    assert np.array_equal(cut, clip[:, top:top + height, left:left + width])


@pytest.mark.parametrize('size, expected', [
    ((240, 320), (224, 298)),
    ((320, 240), (298, 224)),
    ((100, 100), (224, 224)),
    ((224, 301), (224, 301)),
])
def test_the_shorter_side_is_resized(size, expected):
    clip = apply(
        np.zeros((2, *size, 3), np.uint8), type='ClipResizeShort', size=224)
    assert clip.shape == (2, *expected, 3)


@pytest.mark.parametrize('size, starts', [
    ((224, 301), [(0, 0), (0, 38), (0, 77)]),
    ((301, 224), [(0, 0), (38, 0), (77, 0)]),
    ((224, 224), 3 * [(0, 0)]),
    ((240, 301), [(8, 0), (8, 38), (8, 77)]),
])
def test_crops_of_views_lie_along_the_longer_side(size, starts):
    clip = np.stack(
        np.broadcast_arrays(
            np.arange(size[0])[:, None] % 256,
            np.arange(size[1])[None] % 256, 7), -1).astype(np.uint8)[None]
    for number, (top, left) in enumerate(starts):
        crop = apply(clip, view=(number, 3), type='ClipViewCrop', size=224)
        assert np.array_equal(crop, clip[:, top:top + 224, left:left + 224])


def test_a_single_crop_lies_in_the_middle():
    clip = moving_picture(1, 40, 50)
    crop = apply(clip, type='ClipViewCrop', size=30)
    assert np.array_equal(crop, clip[:, 5:35, 10:40])


def test_frames_smaller_than_the_crop_are_refused():
    with pytest.raises(ValueError, match='video v: frames of 40 x 20 are'):
        apply(moving_picture(1, 40, 20), type='ClipViewCrop', size=30)


def erase(seed, clip=None, **options):
    options = dict(
        dict(
            erase_prob=1.,
            max_area_ratio=1 / 3,
            mode='rand',
            fill_color=MEAN,
            fill_std=STD), **options)
    clip = np.full((6, 64, 80, 3), 5, np.uint8) if clip is None else clip
    return apply(clip, seed, type='ClipRandomErasing', **options)


def test_erasing_takes_one_rectangle_through_all_frames():
    for seed in range(20):
        clip = erase(seed)
        changed = (clip != 5).any((0, 3))
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(
            changed.any(0))
        box = changed[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        assert box.all() and box.size == changed.sum()
        assert 0.015 < box.mean() * box.size / changed.size < 0.36
        inside = clip[:, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        assert (inside != inside[:1]).any()  # noise differs by frame
    big = erase(3, np.full((8, 99, 99, 3), 5, np.uint8), min_area_ratio=0.3)
    noise = big[(big != 5).any(-1)]
    assert np.abs(noise.mean(0) - MEAN).max() < 3  # RGB, as the clip


def test_erasing_happens_as_often_as_asked():
    count = sum(
        (erase(seed, erase_prob=0.25) != 5).any() for seed in range(400))
    assert 70 < count < 130


def test_mixup_of_clips_is_of_whole_clips():
    """mmpretrain's own works on five axes."""
    clips, labels = torch.rand(6, 3, 4, 8, 10), torch.eye(6)
    mix = RandomBatchAugment(dict(type='Mixup', alpha=0.8))
    mixed, scores = mix(clips.clone(), labels)
    expected = torch.einsum('nm,mcthw->ncthw', scores, clips)
    torch.testing.assert_close(mixed, expected)


def test_rolling_moves_all_frames_by_the_same_distance():
    clip = np.random.RandomState(0).randint(0, 256, (3, 8, 10, 3), np.uint8)
    roll = TRANSFORMS.build(dict(type='ClipRandomRoll'))
    found = set()
    for seed in range(20):
        np.random.seed(seed)
        rolled = roll(dict(clip=clip))['clip']
        matches = [(y, x) for y in range(8) for x in range(10)
                   if np.array_equal(np.roll(clip, (y, x), (1, 2)), rolled)]
        assert len(matches) == 1
        found.update(matches)
    assert len(found) > 10


def test_the_packed_clip():
    clip = moving_picture(3, 8, 10)
    results = dict(
        clip=clip[:, :, ::-1],
        gt_label=4,
        video_path='v.mp4',
        video_index=2,
        view_index=1,
        num_views=6)
    packed = TRANSFORMS.build(dict(type='PackClip'))(results)
    assert packed['inputs'].dtype == torch.uint8
    assert packed['inputs'].shape == (3, 3, 8, 10)
    assert np.array_equal(packed['inputs'].permute(1, 2, 3, 0),
                          clip[:, :, ::-1])
    sample = packed['data_samples']
    assert sample.gt_label.tolist() == [4]
    assert (sample.video_index, sample.view_index, sample.num_views) == (2, 1,
                                                                         6)
