"""Activation checkpointing of one module, OpenMMLab's ``with_cp``."""
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def run(module: nn.Module, x: Tensor, *args: Any, with_cp: bool) -> Tensor:
    """``module(x, *args)``, recomputed in the backward pass if ``with_cp``."""
    if with_cp and x.requires_grad:
        return checkpoint(module, x, *args, use_reentrant=False)
    return module(x, *args)
