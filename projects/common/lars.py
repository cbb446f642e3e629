"""LARS as ConvMAE's linear probe has it."""
from collections.abc import Callable, Iterable

import torch
from mmengine.registry import OPTIMIZERS
from torch import Tensor
from torch.optim import Optimizer


@OPTIMIZERS.register_module()
class ReferenceLARS(Optimizer):
    """SGD with momentum and layer-wise rates (arXiv:1708.03888).

    For a tensor w of two or more dimensions with gradient g::

        g = g + weight_decay * w
        g = g * trust * |w| / |g|     unless one of the norms is zero
        m = momentum * m + g
        w = w - lr * m

    Biases and other 1-D tensors get plain momentum, without decay.
    mmpretrain's ``LARS`` differs: it puts the learning rate into the momentum
    buffer, which matters when the rate changes, and scales 1-D tensors too.

    Args:
        params: Parameters or parameter groups.
        lr: Learning rate.
        momentum: Share of the momentum buffer that is kept.
        weight_decay: L2 penalty.
        trust: Trust coefficient.

    Raises:
        ValueError: If a value is negative, or momentum is not below 1.
    """

    def __init__(self,
                 params: Iterable[Tensor] | Iterable[dict],
                 lr: float,
                 momentum: float = 0.9,
                 weight_decay: float = 0.,
                 trust: float = 0.001) -> None:
        defaults = dict(
            lr=lr, momentum=momentum, weight_decay=weight_decay, trust=trust)
        for name, value in defaults.items():
            if value < 0:
                raise ValueError(f'optimizer.{name} is {value}; it must not '
                                 'be negative')
        if momentum >= 1:
            raise ValueError(f'optimizer.momentum is {momentum}; it must be '
                             'below 1')
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self,
             closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update the parameters once.

        Args:
            closure: Computes the loss again, as in ``torch.optim``.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group['params']:
                if param.grad is not None:
                    self._update(param, group)
        return loss

    def _update(self, param: Tensor, group: dict) -> None:
        grad = param.grad
        if param.ndim > 1:
            grad = grad.add(param, alpha=group['weight_decay'])
            norms = param.norm(), grad.norm()
            # on the device: reading a norm would wait for it
            usable = (norms[0] > 0) & (norms[1] > 0)
            ratio = group['trust'] * norms[0] / norms[1]
            grad = grad * torch.where(usable, ratio, 1.)
        state = self.state[param]
        if 'momentum_buffer' not in state:
            state['momentum_buffer'] = torch.zeros_like(param)
        buffer = state['momentum_buffer']
        buffer.mul_(group['momentum']).add_(grad)
        param.add_(buffer, alpha=-group['lr'])
