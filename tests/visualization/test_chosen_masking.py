"""Masks that were chosen, and that models really use."""
import pytest
import torch

from projects.visualization.chosen_masking import ChosenTokenMasking


def test_chosen_tokens_are_hidden() -> None:
    mask = ChosenTokenMasking([5, 0, 5])(2, (2, 3))
    assert mask.grid == (2, 3)
    assert mask.keep_BK.tolist() == [[1, 2, 3, 4]] * 2
    assert mask.removed_BL.tolist() == [[1, 0, 0, 0, 0, 1]] * 2


def test_finer_grid() -> None:
    mask = ChosenTokenMasking([35], scale=3)(1, (2, 2))
    assert mask.grid == (6, 6)
    assert mask.removed_BL.nonzero().tolist() == [[0, 35]]


@pytest.mark.parametrize('hidden, message', [
    ([], '0 of the 6 patches are hidden'),
    (range(6), '6 of the 6 patches'),
    ([1, 6], 'there are only 0 to 5'),
    ([-1], 'there are only 0 to 5'),
])
def test_errors(hidden: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChosenTokenMasking(hidden)(1, (2, 3))


def test_device_of_the_images() -> None:
    mask = ChosenTokenMasking([0])(1, (2, 3), torch.device('cpu'))
    assert mask.keep_BK.device.type == 'cpu'
