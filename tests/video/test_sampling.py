"""Samplers: the protocol's rules, cases by hand, and what always holds."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import TASK_UTILS

from projects.video import (DenseFrames, DenseTestFrames, SegmentFrames,
                            SpanFrames, UniformTestFrames)

SAMPLERS = [
    (DenseFrames(), 1),
    (DenseFrames(stride=2), 1),
    (DenseFrames(num_frames=5, stride=3), 1),
    (SpanFrames(), 1),
    (SpanFrames(num_frames=8, span=24), 1),
    (SegmentFrames(), 1),
    (SegmentFrames(num_frames=4), 1),
    (DenseTestFrames(), 5),
    (DenseTestFrames(num_frames=8, stride=2), 3),
    (DenseTestFrames(), 1),
    (UniformTestFrames(), 2),
    (UniformTestFrames(num_frames=6), 2),
]


@pytest.mark.parametrize('sampler, clips', SAMPLERS)
@settings(max_examples=60, deadline=None)
@given(total=st.integers(1, 400), seed=st.integers(0, 2**32 - 1))
def test_existing_frames_in_order_for_any_length(sampler, clips, total, seed):
    np.random.seed(seed)
    for clip in range(clips):
        frames = sampler(total, clip=clip, clips=clips)
        assert frames.shape == (sampler.num_frames, )
        assert frames.dtype == np.int64
        assert frames.min() >= 0 and frames.max() < total
        assert (np.diff(frames) >= 0).all()


def drawn(sampler, total, count=2000):
    return np.stack([sampler(total) for _ in range(count)])


@pytest.mark.parametrize('stride, span', [(4, 64), (2, 32)])
def test_dense_frames_start_anywhere(stride, span):
    """Every ``stride``-th frame; the start is in [0, n - span]."""
    clips = drawn(DenseFrames(stride=stride), span + 9)
    assert set(clips[:, 0]) == set(range(10))
    assert (np.diff(clips) == stride).all()
    counts = np.bincount(clips[:, 0])
    assert counts.min() > 140  # 200 each, if all are equally likely
    exact = drawn(DenseFrames(stride=stride), span, 5)
    assert (exact == stride * np.arange(16)).all()


@pytest.mark.parametrize('total, expected', [
    (63, [4 * i for i in range(16)]),
    (62, [4 * i for i in range(16)]),
    (61, [4 * i for i in range(15)] + [56]),
    (33, [0, 4, 8, 12, 16, 20, 24] + 9 * [28]),
    (30, [0, 4, 8, 12, 16, 20, 24] + 9 * [28]),
    (6, [0] + 15 * [4]),
    (5, 16 * [0]),
    (1, 16 * [0]),
])
def test_dense_frames_of_short_videos(total, expected):
    assert DenseFrames()(total).tolist() == expected


def test_span_frames_by_hand():
    """65 frames: the span can only end at 64, so it is frames 0 to 63."""
    # linspace(0, 64, 16) = 0, 4.27, 8.53, ... 64; 64 becomes 63
    expected = [0, 4, 8, 12, 17, 21, 25, 29, 34, 38, 42, 46, 51, 55, 59, 63]
    assert (drawn(SpanFrames(), 65, 20) == expected).all()


def test_span_frames_end_anywhere():
    """The end is in [64, n): the last frame itself is never reached."""
    clips = drawn(SpanFrames(), 73)
    assert set(clips[:, 0]) == set(range(9))
    assert (clips[:, -1] - clips[:, 0] == 63).all()
    assert clips.max() == 71
    assert np.bincount(clips[:, 0]).min() > 150


@pytest.mark.parametrize(
    'total, expected',
    [
        (64, [0, 4, 8, 12, 17, 21, 25, 29, 34, 38, 42, 46, 51, 55, 59, 63]),
        # linspace(0, 40, 10) = 0, 4.44, ... 40
        (40, [0, 4, 8, 13, 17, 22, 26, 31, 35] + 7 * [39]),
        (9, [0] + 15 * [8]),  # linspace(0, 9, 2)
        (7, [0] + 15 * [6]),
        (3, 16 * [2]),
        (1, 16 * [0]),
    ])
def test_span_frames_of_short_videos(total, expected):
    assert (drawn(SpanFrames(), total, 5) == expected).all()


def test_segment_frames_are_one_of_each_segment():
    clips = drawn(SegmentFrames(), 50)
    # 50 // 16 = 3: segments of 3; frames 48 and 49 are in none
    assert (clips // 3 == np.arange(16)).all()
    for segment, frames in enumerate(clips.T):
        assert set(frames) == {3 * segment + i for i in range(3)}
    assert (drawn(SegmentFrames(), 16, 5) == np.arange(16)).all()


def test_segment_frames_of_short_videos_keep_order_and_motion():
    clips = drawn(SegmentFrames(), 10, 200)
    assert (np.diff(clips) >= 0).all()
    assert set(clips.flat) == set(range(10))


def test_dense_test_frames_by_hand():
    """300 frames: 75 of stride 4; starts int(c * 59 / 4)."""
    starts = [
        DenseTestFrames()(300, clip=clip, clips=5).tolist()
        for clip in range(5)
    ]
    for frames, start in zip(starts, (0, 14, 29, 44, 59)):
        assert frames == [4 * (start + i) for i in range(16)]
    assert starts[-1][-1] == 296


@pytest.mark.parametrize('total, expected', [
    (64, [4 * i for i in range(16)]),
    (30, [0, 4, 8, 12, 16, 20, 24] + 9 * [28]),
    (1, 16 * [0]),
])
def test_dense_test_frames_of_short_videos(total, expected):
    """The last of the sampled frames is repeated; all clips are the same."""
    for clip in range(5):
        assert DenseTestFrames()(
            total, clip=clip, clips=5).tolist() == expected


def test_uniform_test_frames_by_hand():
    """40 frames, t = 2.5: starts 0, 2, 5, ... and centres 1, 3, 6, ..."""
    sampler = UniformTestFrames()
    starts = [int(2.5 * x) for x in range(16)]
    centres = [int(1.25 + 2.5 * x) for x in range(16)]
    merged = sorted(starts + centres)
    assert sampler(40, clip=0, clips=2).tolist() == merged[0::2]
    assert sampler(40, clip=1, clips=2).tolist() == merged[1::2]
    # 32 frames: t = 2, so the starts are even and the centres odd
    assert sampler(32, clip=0, clips=2).tolist() == list(range(0, 32, 2))
    assert sampler(32, clip=1, clips=2).tolist() == list(range(1, 32, 2))


def test_uniform_test_frames_of_short_videos():
    # 4 frames, t = 0.25: starts and centres are int(0.25 x), int(0.125 +
    # 0.25 x): each frame four times, in both
    for clip in range(2):
        frames = UniformTestFrames()(4, clip=clip, clips=2)
        assert frames.tolist() == sorted(4 * [0, 1, 2, 3])


def test_more_uniform_clips_than_there_are_are_refused():
    with pytest.raises(ValueError, match='two clips per video, not 5'):
        UniformTestFrames()(40, clip=0, clips=5)


def test_samplers_are_registered():
    sampler = TASK_UTILS.build(dict(type='DenseFrames', stride=2))
    assert sampler.stride == 2
