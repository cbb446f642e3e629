"""Nested blocks: order, inverse, and convolution as a linear layer."""
import pytest
import torch
from torch import nn

from projects.common.grid import block_linear, nest, unnest

CASES = [((12, ), [(2, ), (3, )]), ((8, 12), [(4, 4)]),
         ((8, 12), [(2, 2), (2, 2)]), ((4, 8, 6), [(1, 2, 2), (2, 2, 1)])]


@pytest.mark.parametrize('spatial, factors', CASES)
def test_unnest_inverts_nest(spatial, factors):
    x = torch.randn(2, 3, *spatial)
    blocks = nest(x, factors)
    grid = []
    for dim, side in enumerate(spatial):
        block = 1
        for factor in factors:
            block *= factor[dim]
        grid.append(side // block)
    assert torch.equal(unnest(blocks, tuple(grid), factors), x)


def test_order_is_coarse_to_fine():
    raster = torch.arange(16.).view(1, 1, 4, 4)
    blocks = nest(raster, [(2, 2), (2, 2)])
    assert blocks.flatten().tolist() == [
        0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15
    ]
    assert nest(raster, [(4, 4)]).flatten().tolist() == list(range(16))


@pytest.mark.parametrize('factors', [[(4, 4)], [(2, 2), (2, 2)]])
def test_block_linear_is_the_strided_convolution(factors):
    conv = nn.Conv2d(3, 5, 4, 4).double()
    x = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    ours = block_linear(nest(x, factors), conv, factors)
    assert torch.allclose(ours, conv(x).flatten(2).transpose(1, 2))


def test_size_that_does_not_divide():
    with pytest.raises(ValueError, match=r'\(8, 13\).*multiple.*\(4, 4\)'):
        nest(torch.zeros(1, 1, 8, 13), [(2, 2), (2, 2)])
