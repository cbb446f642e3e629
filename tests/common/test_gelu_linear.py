"""GELU and linear in one: values, gradients, memory, autocast."""
import pytest
import torch
import torch.nn.functional as F

from projects.common.gelu_linear import gelu_linear


def plain(x, weight, bias):
    return F.linear(F.gelu(x), weight, bias)


def inputs(dtype=torch.float64):
    return [torch.randn(shape, dtype=dtype, requires_grad=True)
            for shape in ((2, 5, 12), (4, 12), (4, ))]  # yapf: disable


def test_equals_the_two_steps():
    args = inputs()
    out, expected = gelu_linear(*args), plain(*args)
    assert torch.equal(out, expected)
    cotangent = torch.randn_like(out)
    for mine, theirs in zip(
            torch.autograd.grad(out, args, cotangent),
            torch.autograd.grad(expected, args, cotangent)):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def test_does_not_keep_the_activation():

    def held(run):
        kept = []
        args = [arg * 1 for arg in inputs()]  # not leaves
        with torch.autograd.graph.saved_tensors_hooks(
                lambda tensor: kept.append(tensor.numel()), lambda _: None):
            run(*args)
        return sum(kept)

    assert held(gelu_linear) == held(plain) - 2 * 5 * 12


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_under_autocast(dtype):
    """As the two steps, whichever dtype the input has."""
    found = []
    for run in (gelu_linear, plain):
        torch.manual_seed(0)
        args = inputs(torch.float32)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            out = run(args[0].to(dtype), *args[1:])
        out.float().square().sum().backward()
        found.append([out, *(arg.grad for arg in args)])
    for mine, theirs in zip(*found):
        assert mine.dtype == theirs.dtype
        torch.testing.assert_close(mine, theirs, rtol=0.03, atol=0.03)
