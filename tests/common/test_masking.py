"""Masks are values: what is taken, put back, hidden, and how it is drawn."""
import pytest
import torch

from projects.common.grid import nest
from projects.common.masking import (DisjointTokenMasking,
                                     IndependentTokenMasking,
                                     RandomTokenMasking, TokenMask,
                                     TubeTokenMasking, rank_noise)

GRIDS = [(14, 14), (9, 13), (3, 5)]


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('rule', [
    RandomTokenMasking(0.75),
    RandomTokenMasking(0.5, scale=4),
    DisjointTokenMasking(0.8, 3)
])
def test_put_back_restores_what_was_taken(rule, grid):
    mask = rule(2, grid)
    views = len(mask.keep_BK) // 2
    x = torch.randn(2, mask.num_tokens, 6)
    taken = mask.take(x)
    fill = torch.full((1, 1, 6), 7.)
    full = mask.put_back(taken, fill)
    hidden = mask.removed_BL.bool()
    assert torch.equal(full[~hidden], x.repeat(views, 1, 1)[~hidden])
    assert (full[hidden] == 7).all()
    kept = mask.keep_BK.shape[1]
    assert (hidden.sum(1) + kept == mask.num_tokens).all()


def test_fill_may_differ_by_position_and_gets_its_gradient():
    mask = RandomTokenMasking(0.5)(2, (2, 3))
    fill = torch.randn(2, 6, 4, requires_grad=True)
    taken = torch.randn(2, 3, 4, requires_grad=True)
    mask.put_back(taken, fill).sum().backward()
    hidden = mask.removed_BL[..., None].expand(2, 6, 4)
    assert torch.equal(fill.grad, hidden)
    assert (taken.grad == 1).all()


@pytest.mark.parametrize('ratio, grid, keep', [(.75, (14, 14), 49),
                                               (.9, (14, 14), 19),
                                               (.6, (9, 13), 46)])
def test_number_of_visible_tokens(ratio, grid, keep):
    assert RandomTokenMasking(ratio)(3, grid).keep_BK.shape == (3, keep)


def test_lowest_noise_is_kept_in_order():
    noise = torch.tensor([[.4, .1, .3, .2]])
    mask = RandomTokenMasking(0.5)(1, (2, 2), noise_BL=noise)
    assert mask.keep_BK.tolist() == [[1, 3]]
    assert mask.removed_BL.tolist() == [[1, 0, 1, 0]]


@pytest.mark.parametrize('grid', GRIDS)
def test_padding_is_chosen_last(grid):
    length = grid[0] * grid[1]
    for num_valid in range(1, length, 3):
        valid = torch.zeros(2, length, dtype=torch.bool)
        valid[:, torch.randperm(length)[:num_valid]] = True
        order = rank_noise(2, length, 'cpu', valid)
        assert valid.gather(1, order)[:, :num_valid].all()
        assert (order.sort(1)[0] == torch.arange(length)).all()


def test_disjoint_masks_do_not_overlap_and_complements_cover():
    mask = DisjointTokenMasking(0.8, 5)(3, (14, 14))
    groups = mask.keep_BK.view(5, 3, -1)
    for image in range(3):
        positions = groups[:, image].flatten().tolist()
        assert len(set(positions)) == len(positions) == 5 * 39
    whole = DisjointTokenMasking(0.75, 4)(1, (4, 4)).keep_BK.flatten()
    assert sorted(whole.tolist()) == list(range(16))


def test_independent_masks_are_drawn_one_by_one():
    mask = IndependentTokenMasking(0.8, 5)(3, (14, 14))
    assert mask.keep_BK.shape == (15, 39)
    assert all(len(set(row.tolist())) == 39 for row in mask.keep_BK)
    # of one image they overlap: 5 * 39 of 196 tokens would hardly ever not
    groups = mask.keep_BK.view(5, 3, -1)
    assert len(set(groups[:, 0].flatten().tolist())) < 5 * 39
    noise = torch.rand(2 * 3, 196)
    mask = IndependentTokenMasking(0.8, 2)(3, (14, 14), noise_BL=noise)
    assert torch.equal(mask.keep_BK, noise.argsort(1)[:, :39])
    with pytest.raises(ValueError, match='num_masks is 0'):
        IndependentTokenMasking(0.8, 0)


def test_tubes_repeat_over_time():
    rule = TubeTokenMasking(0.9)
    mask = rule(2, (8, 14, 14))
    assert mask.keep_BK.shape == (2, 8 * 20)
    frames = mask.removed_BL.view(2, 8, 196)
    assert (frames == frames[:, :1]).all()
    assert frames[:, 0].sum(1).tolist() == [176, 176]


@pytest.mark.parametrize('grid, scale', [((3, 5), (4, 4)),
                                         ((2, 3, 4), (1, 2, 2))])
def test_visible_map_is_the_upsampled_mask(grid, scale):
    length = torch.Size(grid).numel()
    mask = TokenMask(torch.randperm(length)[None, :length // 3], grid)
    up = torch.nn.functional.interpolate(
        (1 - mask.removed_BL).view(1, 1, *grid), scale_factor=scale)
    assert torch.equal(mask.visible_map(scale), up)


@pytest.mark.parametrize('grid, factors', [((3, 4), [(2, 2), (2, 2)]),
                                           ((2, 2, 3), [(1, 2, 2)])])
def test_cells_are_the_raster_positions_of_nested_blocks(grid, factors):
    mask = RandomTokenMasking(0.5)(2, grid)
    scale = [1] * len(grid)
    for factor in factors:
        scale = [a * b for a, b in zip(scale, factor)]
    fine = [side * step for side, step in zip(grid, scale)]
    x = torch.randn(2, 1, *fine)
    by_blocks = mask.take(nest(x, factors)).flatten()
    by_cells = x.flatten(1).gather(1, mask.cells(factors)).flatten()
    assert torch.equal(by_blocks, by_cells)


@pytest.mark.parametrize('ratio', [-.1, 0, 1, 1.5])
def test_ratio_outside_the_open_interval(ratio):
    with pytest.raises(ValueError, match=r'masking\.ratio is .*\(0, 1\)'):
        RandomTokenMasking(ratio)


def test_a_mask_that_keeps_or_hides_nothing():
    with pytest.raises(ValueError, match='keeps 0 of the 4 tokens'):
        RandomTokenMasking(0.8)(1, (2, 2))
    with pytest.raises(ValueError, match='keeps 0 of the 1 tokens'):
        RandomTokenMasking(0.1)(1, (1, 1))
    with pytest.raises(ValueError, match='keeps 4 of the 4 tokens'):
        TubeTokenMasking(0.1)(1, (2, 2, 2))


def test_more_disjoint_masks_than_tokens():
    with pytest.raises(ValueError, match='num_masks is 5.*expected 1 to 4'):
        DisjointTokenMasking(0.75, 5)(1, (4, 4))
