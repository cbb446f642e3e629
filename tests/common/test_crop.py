"""Random crops: Pillow's values, and the linear probe's single attempt."""
import numpy as np
import pytest
from mmpretrain.registry import TRANSFORMS

import projects.common  # noqa: F401


def crop(type='ClampedResizedCrop', **options):
    return TRANSFORMS.build(dict(type=type, **options))


@pytest.mark.parametrize('height, width', [(40, 60), (200, 10), (1, 1)])
def test_crops_lie_inside_the_image(height: int, width: int) -> None:
    np.random.seed(0)
    image = np.zeros((height, width, 3), np.uint8)
    transform = crop(scale=8)
    for _ in range(200):
        y, x, h, w = transform.rand_crop_params(image)
        assert 0 <= y and 0 < h and y + h <= height
        assert 0 <= x and 0 < w and x + w <= width


def test_what_does_not_fit_is_cut_off() -> None:
    """A tall image cannot hold a wide crop: the crop takes its full width
    and keeps the height that was drawn."""
    np.random.seed(0)
    image = np.zeros((400, 10, 3), np.uint8)
    transform = crop(
        scale=8, crop_ratio_range=(.25, .25), aspect_ratio_range=(1., 1.))
    _, x, height, width = transform.rand_crop_params(image)
    # area 1000 asks for 32 x 32
    assert (x, height, width) == (0, 32, 10)


def test_sizes_follow_area_and_ratio() -> None:
    np.random.seed(0)
    image = np.zeros((100, 100, 3), np.uint8)
    transform = crop(scale=8)
    sizes = np.array(
        [transform.rand_crop_params(image)[2:] for _ in range(2000)])
    areas, ratios = sizes.prod(1) / 1e4, sizes[:, 1] / sizes[:, 0]
    assert areas.min() >= .07 and areas.max() <= 1
    assert .74 < ratios.min() < .76 and 1.32 < ratios.max() < 1.35
    # uniform area, of which only the largest crops are cut
    assert abs(areas.mean() - .54) < .03


@pytest.mark.parametrize('interpolation', ['bilinear', 'bicubic'])
@pytest.mark.parametrize('height, width', [(90, 130), (13, 9), (32, 32)])
def test_values_are_those_of_pillow(height, width, interpolation):
    """Of noise, on the same crops; larger and smaller ones."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (height, width, 3), np.uint8)
    options = dict(scale=(32, 24), interpolation=interpolation)
    found = []
    for kind in (dict(type='FastResizedCrop'),
                 dict(type='RandomResizedCrop', backend='pillow')):
        np.random.seed(0)
        transform = crop(**kind, **options)
        results = [transform(dict(img=image)) for _ in range(20)]
        found.append(np.stack([result['img'] for result in results]))
    mine, theirs = found
    assert mine.shape == theirs.shape == (20, 32, 24, 3)
    difference = mine.astype(int) - theirs
    assert abs(difference).max() <= 2
    assert (difference != 0).mean() < .05


def test_other_interpolations_are_refused():
    with pytest.raises(ValueError, match='bicubic, not lanczos'):
        crop(type='FastResizedCrop', scale=8, interpolation='lanczos')


def test_the_result_has_the_wanted_size() -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    results = crop(scale=16, interpolation='bicubic')(dict(img=image))
    assert results['img'].shape == (16, 16, 3)
    assert results['img_shape'][:2] == (16, 16)
