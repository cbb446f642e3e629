"""Mixed precision without a GPU."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

# What autocast computes in float32 on a GPU, but in bfloat16 on a CPU.
FULL_PRECISION = {
    F.layer_norm, F.group_norm, F.softmax, torch.softmax, Tensor.softmax,
    F.log_softmax, torch.log_softmax, Tensor.log_softmax, F.normalize,
    F.cosine_similarity, F.cross_entropy, F.nll_loss, F.mse_loss, F.l1_loss,
    F.smooth_l1_loss, F.binary_cross_entropy_with_logits
}  # yapf: disable


def _float32(value: Any) -> Any:
    is_half = isinstance(value, Tensor) and value.dtype == torch.bfloat16
    return value.float() if is_half else value


class FullPrecisionFunctions(TorchFunctionMode):
    """Normalisations, softmax and losses in float32, as on a GPU."""

    def __torch_function__(self,
                           func: Callable,
                           types: Any,
                           args: tuple = (),
                           kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func in FULL_PRECISION:
            args, kwargs = tree_map(_float32, (args, kwargs))
        return func(*args, **kwargs)


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """``AmpOptimWrapper`` for the CPU, in bfloat16.

    bfloat16 has the range of float32, so losses need no scaling. What a GPU's
    autocast leaves in float32 is so here, too.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast around the forward pass."""
        with super().optim_context(model), torch.autocast(
                'cpu', dtype=torch.bfloat16), FullPrecisionFunctions():
            yield
