"""Depthwise convolution with its own gradients: those of torch."""
import pytest
import torch
from torch import nn

from projects.common.depthwise import depthwise

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}
CASES = [((9, ), (5, )), ((6, 7), (5, 3)), ((2, 3), (7, 7)),
         ((4, 5, 6), (3, 5, 1))]


def layer(kernel, dtype=torch.float64):
    return CONV[len(kernel)](
        4, 4, kernel, padding=[side // 2 for side in kernel],
        groups=4).to(dtype)


def gradients(run, conv, x, wanted):
    out = run(x)
    cotangent = torch.linspace(-1, 1, out.numel(), dtype=out.dtype)
    return out, *torch.autograd.grad(out, wanted, cotangent.view(out.shape))


@pytest.mark.parametrize('layout', ['contiguous', 'channels-last'])
@pytest.mark.parametrize('size, kernel', CASES)
def test_equals_the_layer(size, kernel, layout):
    conv = layer(kernel)
    x = torch.randn(3, 4, *size, dtype=torch.float64)
    if layout == 'channels-last' and len(size) in LAYOUTS:
        x = x.contiguous(memory_format=LAYOUTS[len(size)])
    x.requires_grad_()
    wanted = [x, conv.weight, conv.bias]
    found = gradients(lambda x: depthwise(conv, x), conv, x, wanted)
    expected = gradients(conv, conv, x, wanted)
    for mine, theirs in zip(found, expected):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize('frozen', [('weight', 'bias'), ('bias', )])
def test_frozen_parameters(frozen):
    conv = layer((5, 5))
    for name in frozen:
        getattr(conv, name).requires_grad_(False)
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    depthwise(conv, x).sum().backward()
    assert x.grad is not None
    for name, parameter in conv.named_parameters():
        assert (parameter.grad is None) == (name in frozen)


def test_images_need_no_gradient():
    conv = layer((3, 3))
    depthwise(conv, torch.randn(2, 4, 6, 6,
                                dtype=torch.float64)).sum().backward()
    assert conv.weight.grad is not None


@pytest.mark.parametrize('grad', [True, False])
def test_elsewhere_it_is_the_layer(grad):
    """Under autocast, and without gradients, hooks of the layer are called."""
    conv, called = layer((3, 3), torch.float32), []
    conv.register_forward_hook(lambda *_: called.append(True))
    x = torch.randn(2, 4, 6, 6)
    with torch.set_grad_enabled(grad), torch.autocast(
            'cpu', dtype=torch.bfloat16, enabled=grad):
        out = depthwise(conv, x)
    assert called and out.dtype == (torch.bfloat16 if grad else torch.float32)
