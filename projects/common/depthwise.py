"""Depthwise convolution whose gradients are convolutions.

torch's own backward pass takes several times as long as the forward pass on
a CPU. Both gradients are depthwise convolutions themselves:

    dx[p] = sum_t w[t] dy[p - t],  dw[t] = sum_p dy[p] x[p + t].

Shapes: B batch, C channels, X the spatial dimensions, T the kernel's.
"""
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CONV: dict[int, Callable[..., Tensor]] = {
    1: F.conv1d,
    2: F.conv2d,
    3: F.conv3d
}


def _convolve(x_BCX: Tensor, weight_C1T: Tensor, bias_C: Tensor | None,
              reach: tuple[int, ...]) -> Tensor:
    """Each channel with its kernel; ``reach`` zeros lie around a map."""
    return CONV[len(reach)](
        x_BCX, weight_C1T, bias_C, padding=reach, groups=len(weight_C1T))


def _reach(weight_C1T: Tensor) -> tuple[int, ...]:
    """Zeros that leave the size of a map."""
    return tuple(side // 2 for side in weight_C1T.shape[2:])


class _Depthwise(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, x_BCX: Tensor, weight_C1T: Tensor,
                bias_C: Tensor) -> Tensor:
        ctx.save_for_backward(x_BCX, weight_C1T)
        return _convolve(x_BCX, weight_C1T, bias_C, _reach(weight_C1T))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BCX: Tensor) -> tuple[Tensor | None, ...]:
        x_BCX, weight_C1T = ctx.saved_tensors
        reach, sides = _reach(weight_C1T), tuple(range(2, x_BCX.ndim))
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = _convolve(grad_BCX, weight_C1T.flip(sides), None, reach)
        if ctx.needs_input_grad[1]:
            # maps as channels, gradients as their kernels
            maps, kernels = x_BCX.flatten(0, 1), grad_BCX.flatten(0, 1)
            grad = _convolve(maps[None], kernels[:, None], None, reach)
            grad_weight = grad.view(-1, *weight_C1T.shape).sum(0)
        if ctx.needs_input_grad[2]:
            grad_bias = grad_BCX.sum((0, *sides))
        return grad_x, grad_weight, grad_bias


def depthwise(conv: nn.Module, x_BCX: Tensor) -> Tensor:
    """What ``conv(x_BCX)`` computes, with faster gradients where that pays.

    On a GPU, under autocast and while compiling it is ``conv`` itself.

    Args:
        conv: Depthwise convolution of odd kernel and stride 1 that leaves the
            size of a map, with bias.
        x_BCX: Map (B, C, X).
    """
    if own_gradients(x_BCX):
        return _Depthwise.apply(x_BCX, conv.weight, conv.bias)
    return conv(x_BCX)


def own_gradients(x: Tensor) -> bool:
    """Whether gradients of a depthwise convolution are computed here."""
    return (x.device.type == 'cpu' and torch.is_grad_enabled()
            and not torch.is_autocast_enabled('cpu')
            and not torch.compiler.is_compiling())
