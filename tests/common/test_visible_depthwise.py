"""Depthwise convolution of visible blocks: that of a map with holes."""
import math

import pytest
import torch

from projects.common.blocks import CONV, CellLayout
from projects.common.masking import RandomTokenMasking, TubeTokenMasking

RANDOM, TUBES = RandomTokenMasking(0.6), TubeTokenMasking(0.6)
# rule, tokens, cells of a token from coarse to fine, kernel
CASES = [
    (RANDOM, (5, ), [(3, )], (5, )),
    (RANDOM, (4, 4), [(2, 2), (2, 2)], (5, 5)),
    (RANDOM, (4, 3), [(2, 2)], (5, 3)),
    (RANDOM, (3, 4), [(2, 1)], (7, 7)),  # reaches over a neighbour
    (RANDOM, (2, 3), [(1, 1)], (1, 3)),
    (RANDOM, (3, 3, 2), [(1, 2, 2)], (3, 5, 5)),
    (TUBES, (3, 2, 3), [(1, 2, 2), (1, 2, 2)], (5, 5, 5)),
    (TUBES, (2, 3, 2), [(2, 2, 1)], (3, 3, 5)),
]


def layouts(rule, tokens, factors):
    """The same visible cells, in blocks and anywhere."""
    grid = tuple(math.prod(sides) for sides in zip(tokens, *factors))
    mask = rule(3, tokens)
    cells = mask.cells(factors)
    return (CellLayout(grid, cells,
                       block=mask.block(factors)), CellLayout(grid, cells))


def layer(kernel):
    return CONV[len(kernel)](
        4, 4, kernel, padding=[side // 2 for side in kernel],
        groups=4).double()


def results(layout, conv, x):
    out = layout.convolve(conv, x)
    cotangent = torch.linspace(-1, 1, out.numel(), dtype=out.dtype)
    return out, *torch.autograd.grad(out, [x, conv.weight, conv.bias],
                                     cotangent.view(out.shape))


@pytest.mark.parametrize('rule, tokens, factors, kernel', CASES)
def test_equals_that_of_the_whole_map(rule, tokens, factors, kernel):
    blocks, anywhere = layouts(rule, tokens, factors)
    conv = layer(kernel)
    x = torch.randn(
        *blocks.index_BN.shape, 4, dtype=torch.float64, requires_grad=True)
    for mine, theirs in zip(
            results(blocks, conv, x), results(anywhere, conv, x)):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def test_gradients_are_those_of_differences():
    blocks, _ = layouts(RANDOM, (3, 3), [(2, 2)])
    conv = layer((3, 3))
    x = torch.randn(3, 12, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: blocks.convolve(conv, x), [x])


def test_order_of_blocks_does_not_matter():
    """Tokens come in random order; a row stays with its cell."""
    blocks, _ = layouts(RANDOM, (4, 4), [(2, 2)])
    conv, x = layer((5, 5)), torch.randn(3, 24, 4, dtype=torch.float64)
    order = torch.randperm(6)[:, None].mul(4).add(torch.arange(4)).flatten()
    moved = CellLayout(
        blocks.grid, blocks.index_BN[:, order], block=blocks.block)
    out = moved.convolve(conv, x[:, order])
    torch.testing.assert_close(
        out, blocks.convolve(conv, x)[:, order], rtol=0, atol=1e-12)


@pytest.mark.parametrize('frozen', [('weight', 'bias'), ('bias', )])
def test_frozen_parameters(frozen):
    blocks, _ = layouts(RANDOM, (4, 4), [(2, 2)])
    conv = layer((3, 3))
    for name in frozen:
        getattr(conv, name).requires_grad_(False)
    x = torch.randn(3, 24, 4, dtype=torch.float64, requires_grad=True)
    blocks.convolve(conv, x).sum().backward()
    assert x.grad is not None
    for name, parameter in conv.named_parameters():
        assert (parameter.grad is None) == (name in frozen)


@pytest.mark.parametrize('grad', [True, False])
def test_elsewhere_it_is_the_layer(grad):
    """Under autocast, and without gradients, hooks of the layer are called."""
    blocks, _ = layouts(RANDOM, (4, 4), [(2, 2)])
    conv, called = layer((3, 3)).float(), []
    conv.register_forward_hook(lambda *_: called.append(True))
    with torch.set_grad_enabled(grad), torch.autocast(
            'cpu', dtype=torch.bfloat16, enabled=grad):
        out = blocks.convolve(conv, torch.randn(3, 24, 4))
    assert called and out.dtype == (torch.bfloat16 if grad else torch.float32)


def test_holds_visible_cells_only():
    """Between the passes: cells, kernel, and where the blocks look."""
    blocks, anywhere = layouts(RANDOM, (8, 8), [(4, 4)])
    conv = CONV[2](64, 64, 5, padding=2, groups=64)
    x = torch.randn(*blocks.index_BN.shape, 64, requires_grad=True)

    def held(layout):
        sizes = {}

        def pack(tensor):
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor.detach()

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            out = layout.convolve(conv, x)
        assert out.grad_fn is not None
        return sum(sizes.values())

    assert held(blocks) < 0.6 * held(anywhere)
