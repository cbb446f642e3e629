"""The single-attempt crop of the linear probe."""
import numpy as np
import pytest
from mmpretrain.registry import TRANSFORMS

import projects.common  # noqa: F401


def crop(**options):
    return TRANSFORMS.build(dict(type='ClampedResizedCrop', **options))


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


def test_the_result_has_the_wanted_size() -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    results = crop(
        scale=16, backend='pillow', interpolation='bicubic')(
            dict(img=image))
    assert results['img'].shape == (16, 16, 3)
    assert results['img_shape'][:2] == (16, 16)
