"""Outlines, scenes and their drawing."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from projects.shapes.outlines import CLASSES, OUTLINES, REACH
from projects.shapes.rendering import NOBODY, render
from projects.shapes.sample import (FEATURES, image_size, one_object,
                                    several_objects)
from projects.shapes.scene import Paint, Scene, Thing

GRAY = Paint((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
RED = Paint((1.0, 0.0, 0.0), (1.0, 0.0, 0.0))


def thing_scene(kind='heart', center=(48.0, 40.0), size=40.0, angle=0.3):
    return Scene(96, 96, GRAY, (Thing(kind, center, size, angle, RED), ))


@pytest.mark.parametrize('kind', OUTLINES)
@pytest.mark.parametrize('angle', [0.2, 1.0])
def test_every_outline_covers_its_size(kind, angle):
    scene = thing_scene(kind, (48.2, 40.3), 30.0, angle)
    owner = render(scene).owner
    rows, columns = np.nonzero(owner == 0)
    assert len(rows) == pytest.approx(30**2, rel=0.03)
    assert columns.mean() + 0.5 == pytest.approx(48.2, abs=0.3)
    assert rows.mean() + 0.5 == pytest.approx(40.3, abs=0.3)


def test_outlines_of_the_classes_differ():
    masks = [render(thing_scene(kind)).mask(0) for kind in CLASSES]
    for i, one in enumerate(masks):
        for other in masks[:i]:
            assert (one & other).sum() / (one | other).sum() < 0.93


def test_whole_pixel_motion_moves_the_pixels():
    scene = thing_scene()
    moved = replace(
        scene, things=(replace(scene.things[0], center=(53.0, 43.0)), ))
    before, after = render(scene), render(moved)
    assert np.array_equal(before.owner[:-3, :-5], after.owner[3:, 5:])
    assert np.array_equal(before.rgb[:-3, :-5], after.rgb[3:, 5:])


def test_rotation_turns_outline_and_paint():
    paint = Paint((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), angle=0.4)
    scene = thing_scene(center=(48.0, 48.0))
    upright = replace(scene.things[0], paint=paint)
    turned = replace(upright, angle=upright.angle + math.pi / 2)
    before = render(replace(scene, things=(upright, )))
    after = render(replace(scene, things=(turned, )))
    # Clockwise on the screen: rot90's negative direction.
    expected = np.rot90(before.rgb, -1).astype(int)
    assert np.abs(expected - after.rgb).mean() < 0.5
    assert (np.rot90(before.owner, -1) != after.owner).mean() < 0.005


def test_edges_are_smooth_and_the_inside_is_pure():
    picture = render(thing_scene('circle'))
    red = picture.rgb[picture.owner == 0][:, 1]  # green channel
    assert (red == 0).mean() > 0.9
    assert len(np.unique(picture.rgb[..., 1])) > 5


def test_the_last_thing_is_on_top():
    below = Thing('square', (40.0, 40.0), 40.0, 0.0, RED)
    above = replace(below, kind='circle', center=(60.0, 40.0), size=30.0)
    owner = render(Scene(96, 96, GRAY, (below, above))).owner
    alone = render(Scene(96, 96, GRAY, (above, ))).mask(0)
    assert np.array_equal(owner == 1, alone)
    assert (owner == 0).any() and (owner == NOBODY).any()


@pytest.mark.parametrize('hard', [False, True])
def test_a_class_scene_holds_one_whole_object(hard):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        kind = CLASSES[seed % len(CLASSES)]
        height, width = image_size(rng, 96)
        scene = one_object(rng, kind, height, width, hard)
        objects = [t for t in scene.things if t.role == 'object']
        assert [t.kind for t in objects] == [kind]
        assert objects[0] is scene.things[-1]  # nothing hides it
        x, y = objects[0].center
        reach = REACH * objects[0].size
        assert reach <= min(x, y, width - x, height - y)


def test_colour_size_and_place_do_not_tell_the_class():
    labels = np.arange(1600) % len(CLASSES)
    features = np.stack(
        [colour_statistics(i, k) for i, k in enumerate(labels)])
    features = (features - features.mean(0)) / features.std(0)
    train, val = slice(0, 1200), slice(1200, None)
    centroids = np.stack([
        features[train][labels[train] == label].mean(0)
        for label in range(len(CLASSES))
    ])
    distances = np.square(features[val][:, None] - centroids).sum(-1)
    accuracy = (distances.argmin(1) == labels[val]).mean()
    assert accuracy < 0.2  # chance: 0.125


def colour_statistics(seed, label):
    scene = one_object(np.random.default_rng(seed), CLASSES[label], 64, 64)
    rgb = render(scene).rgb.reshape(-1, 3) / 255
    return np.concatenate([rgb.mean(0), rgb.std(0), rgb.min(0), rgb.max(0)])


def test_features_of_scenes():
    scenes_of = {}
    for feature in FEATURES:
        scenes = [
            several_objects(np.random.default_rng(seed), 128, 140, feature)
            for seed in range(20)
        ]
        scenes_of[feature] = [(s, render(s).owner) for s in scenes]
    for scene, _ in scenes_of['empty']:
        assert scene.things == ()
    for scene, _ in scenes_of['plain']:
        assert 1 <= len(scene.things) <= 5
    for scene, _ in scenes_of['crowd']:
        crowd = [t for t in scene.things if t.role == 'crowd']
        assert len(crowd) == 15 and len({t.kind for t in crowd}) == 1
    for scene, owner in scenes_of['border']:
        last = owner == len(scene.things) - 1
        assert last[:, 0].any() or last[:, -1].any()
        assert last.sum() < 0.9 * scene.things[-1].size**2
    tiny = [
        min(t.size for t in scene.things) for scene, _ in scenes_of['tiny']
    ]
    assert np.mean(np.array(tiny) <= 8) > 0.8


def test_objects_hide_parts_of_each_other_but_not_all():
    shares = []
    for seed in range(60):
        scene = several_objects(np.random.default_rng(seed), 128, 128)
        owner = render(scene).owner
        for index, thing in enumerate(scene.things):
            alone = render(replace(scene, things=(thing, ))).mask(0).sum()
            shares.append((owner == index).sum() / alone)
    assert min(shares) > 0.3
    assert np.mean(np.array(shares) < 0.97) > 0.1


def test_an_unknown_feature_is_named():
    with pytest.raises(ValueError, match="'bordr'.*'border'"):
        several_objects(np.random.default_rng(0), 64, 64, 'bordr')


def test_scenes_need_no_torch():
    root = Path(__file__).resolve().parents[2]
    code = ('import projects.shapes, sys; '
            'assert not {"torch", "mmengine"} & set(sys.modules)')
    subprocess.run([sys.executable, '-c', code], check=True, cwd=root)
