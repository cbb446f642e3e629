"""Clips: the class is the motion, and files differ as real ones do."""
import io
import math
from collections import defaultdict

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from projects.shapes import MOTIONS, Recipe, render
from projects.shapes.dataset import Item, draw
from projects.shapes.motion import one_motion


def motion_of(kind, seed, size=(64, 64)):
    return one_motion(np.random.default_rng(seed), kind, *size)


def test_equal_choices_give_equal_first_frames_in_all_classes():
    for seed in range(5):
        first = {
            render(motion_of(kind, seed, (48, 61)).at(0)).rgb.tobytes()
            for kind in MOTIONS
        }
        assert len(first) == 1


@pytest.mark.parametrize('time', [0, 0.5, 1])
def test_no_moment_tells_the_class(time):
    """Place, rotation and size are spread evenly over their circles."""
    for kind in MOTIONS:
        states = []
        for seed in range(400):
            thing = motion_of(kind, seed).at(time).things[0]
            x, y = (c % 64 / 64 for c in thing.center)
            growth = math.log(thing.size / 64 / 0.2) / math.log(0.45 / 0.2)
            states.append((x, y, thing.angle / (2 * math.pi), growth))
        for values in np.sort(np.array(states).T):
            # Kolmogorov-Smirnov: above 0.0975 in one of a thousand draws
            steps = np.arange(401) / 400
            off = max(
                np.abs(values - steps[1:]).max(),
                np.abs(values - steps[:-1]).max())
            assert off < 0.1, (kind, time)


@pytest.mark.parametrize('kind, opposite', [('left', 'right'), ('up', 'down'),
                                            ('growing', 'shrinking'),
                                            ('clockwise', 'counterclockwise')])
def test_a_clip_played_backwards_is_of_the_opposite_class(kind, opposite):
    forth = motion_of(kind, 0)
    back = type(forth)(forth.scene, dict(forth.phases), opposite, forth.rounds)
    thing = forth.at(1).things[0]
    back.phases.update(
        x=thing.center[0] / 64 % 1,
        y=thing.center[1] / 64 % 1,
        turn=thing.angle / (2 * math.pi),
        growth=math.log(thing.size / 64 / 0.2) / math.log(0.45 / 0.2))
    for time in (0, 0.3, 1):
        first = render(forth.at(1 - time)).rgb.astype(int)
        second = render(back.at(time)).rgb.astype(int)
        assert np.abs(first - second).mean() < 0.5


@pytest.mark.parametrize('kind, expected',
                         [('right', (1, 0)), ('left', (-1, 0)),
                          ('down', (0, 1)), ('up', (0, -1))])
def test_things_move_where_the_class_says(kind, expected):
    motion = motion_of(kind, 3)
    before, after = (motion.at(t).things[0].center for t in (0, 0.01))
    step = (np.subtract(after, before) + 32) % 64 - 32
    assert np.allclose(step, np.array(expected) * 0.64 * motion.rounds)


def test_a_thing_that_leaves_comes_in_on_the_opposite_side():
    """Moving everything by half the picture and back changes nothing."""
    motion = motion_of('right', 1)
    shifted = type(motion)(motion.scene, dict(motion.phases), 'right', 0.5)
    shifted.phases['x'] = (motion.phases['x'] + 0.5) % 1
    once = type(motion)(motion.scene, dict(motion.phases), 'right', 0.5)
    assert np.array_equal(
        render(once.at(1)).owner >= 0,
        render(shifted.at(0)).owner >= 0)


@pytest.fixture(scope='module')
def files():
    recipe = Recipe('demo', parts=('video', ))
    drawings = [draw(recipe, Item('video', 'train', i)) for i in range(28)]
    return [content for drawn in drawings for content in drawn.files.values()]


def test_clips_differ_as_real_files_do(files):
    lengths, sizes, rates, codecs, kinds = [], set(), set(), set(), set()
    steps = defaultdict(set)
    for number, content in enumerate(files):
        with av.open(io.BytesIO(content)) as container:
            stream = container.streams.video[0]
            frames = list(container.decode(stream))
            lengths.append(len(frames))
            sizes.add((stream.width, stream.height))
            codecs.add(stream.codec_context.name)
            rates.add(stream.average_rate)
            kinds |= {PictureType(frame.pict_type).name for frame in frames}
            steps[number % 7] |= {
                len(set(np.diff([frame.pts for frame in frames]))) > 1
            }
    assert min(lengths) < 16 < max(lengths)
    assert any(w % 2 and h % 2 for w, h in sizes) and (64, 64) in sizes
    assert {'B', 'P', 'I'} <= kinds and codecs == {'h264', 'mpeg4'}
    assert len(rates) > 4
    assert steps.pop(5) == {True}  # variable frame rate
    assert set.union(*steps.values()) == {False}


def test_clips_are_equal_to_the_byte(files):
    recipe = Recipe('demo', parts=('video', ))
    for number in (0, 1, 3, 4, 5):
        drawn = draw(recipe, Item('video', 'train', number))
        assert list(drawn.files.values()) == [files[number]]
