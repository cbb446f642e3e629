"""Activation checkpointing of a part of a model, OpenMMLab's ``with_cp``."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import (AbstractContextManager, ExitStack, contextmanager,
                        nullcontext)
from typing import Any

import torch
from torch import Tensor
from torch.overrides import _get_current_function_mode_stack
from torch.utils.checkpoint import checkpoint


def run(function: Callable[..., Tensor], x: Tensor, *args: Any,
        with_cp: bool) -> Tensor:
    """``function(x, *args)``, recomputed in the backward pass if ``with_cp``.

    Recomputation ends with the last tensor that a gradient needs, so a linear
    layer at the end of ``function`` is not multiplied again. It has the
    precision of the first time: torch restores autocast, this also the modes
    that CPU training puts beside it.
    """
    if not (with_cp and torch.is_grad_enabled()):
        return function(x, *args)
    modes = _get_current_function_mode_stack()
    options = {} if not modes else dict(
        context_fn=lambda: (nullcontext(), _all_of(modes)))
    return checkpoint(function, x, *args, use_reentrant=False, **options)


@contextmanager
def _all_of(contexts: Sequence[AbstractContextManager]) -> Iterator[None]:
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        yield
