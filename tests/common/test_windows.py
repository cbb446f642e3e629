"""Windows on a grid: covering, borders, shifting."""
import pytest
import torch

from projects.common.windows import Windows


@pytest.mark.parametrize('windows, count', [
    (Windows((4, 6), (4, 6)), 1),
    (Windows((4, 6), (2, 3)), 4),
    (Windows((5, 7), (3, 3)), 6),
    (Windows((2, 3), (4, 4)), 1),
    (Windows((6, 6), (3, 3), shift=1), 9),
    (Windows((5, 7), (4, 4), shift=2), 6),
    (Windows((1, 9), (4, 4), shift=3), 3),
])
def test_split_and_merge_are_inverse(windows, count):
    x = torch.randn(2, windows.grid[0] * windows.grid[1], 3)
    split = windows.split(x)
    length = windows.size[0] * windows.size[1]
    assert split.shape == (2 * count, length, 3)
    assert split.abs().sum() == pytest.approx(float(x.abs().sum()), rel=1e-5)
    assert torch.equal(windows.merge(split), x)


def test_windows_hold_neighbours_in_raster_order():
    x = torch.arange(24.).view(1, 24, 1)
    split = Windows((4, 6), (2, 3)).split(x)[..., 0]
    assert split[0].tolist() == [0, 1, 2, 6, 7, 8]
    assert split[3].tolist() == [15, 16, 17, 21, 22, 23]


def test_filling_is_zero_to_the_right_and_below():
    split = Windows((3, 3), (2, 2)).split(torch.ones(1, 9, 1))[..., 0]
    assert split.tolist() == [[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0],
                              [1, 0, 0, 0]]


def test_shifted_windows_start_at_the_shift():
    windows = Windows((6, 6), (3, 3), shift=1)
    x = torch.arange(36.).view(1, 36, 1)
    split, inside = windows.split(x)[..., 0], windows.inside(x)
    # the middle one of 3 x 3 windows begins at row 1, column 1
    assert split[4].tolist() == [7, 8, 9, 13, 14, 15, 19, 20, 21]
    assert inside[4].all()
    # the first one has only token 0
    assert inside[0].tolist() == [False] * 8 + [True]
    assert inside.sum() == 36 and inside.any(dim=1).all()


def test_unshifted_windows_attend_to_their_filling():
    windows = Windows((5, 5), (3, 3))
    assert windows.inside(torch.zeros(1, 25, 2)) is None
