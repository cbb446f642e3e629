"""Activation checkpointing of a part of a model, OpenMMLab's ``with_cp``."""
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def run(function: Callable[..., Tensor], x: Tensor, *args: Any,
        with_cp: bool) -> Tensor:
    """``function(x, *args)``, recomputed in the backward pass if ``with_cp``.

    Recomputation ends with the last tensor that a gradient needs, so a linear
    layer at the end of ``function`` is not multiplied again.
    """
    if with_cp and torch.is_grad_enabled():
        return checkpoint(function, x, *args, use_reentrant=False)
    return function(x, *args)
