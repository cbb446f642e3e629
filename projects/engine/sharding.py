"""Fully sharded training: every process holds a part of each weight.

Weights, gradients and the optimiser's state are divided over the processes;
a block's weights are gathered while it computes (ZeRO, arXiv:1910.02054,
stage 3; PyTorch's ``fully_shard``).
"""
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.registry import STRATEGIES
from mmengine.utils import apply_to
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from projects.common.sharded import part_of

CHECKPOINTS = ('local', 'full')


@STRATEGIES.register_module()
class FullyShardStrategy:
    """How ``GlimpseRunner`` shards a model; the config's ``strategy``.

    Arguments are named as those of mmengine's ``FSDPStrategy``.

    Args:
        state_dict_cfg: 'local' saves a folder with a file of each process,
            'full' gathers everything in the first, which saves a plain file.
        mixed_precision: Names of types, ``param_dtype`` of the weights that
            are gathered and ``reduce_dtype`` of the gradients that are
            scattered; float32 by default. Parts and optimiser stay float32.
        blocks: Classes of the modules whose weights are gathered together;
            what is in none of them is gathered for the whole step.

    Raises:
        ValueError: If ``state_dict_cfg`` or a type is unknown.
    """

    def __init__(
            self,
            state_dict_cfg: str = 'local',
            mixed_precision: Mapping[str, str] | None = None,
            blocks: tuple[str, ...] = ('ConvBlock', 'TransformerBlock'),
    ) -> None:
        if state_dict_cfg not in CHECKPOINTS:
            raise ValueError(f'strategy.state_dict_cfg is {state_dict_cfg!r}; '
                             f'choose from {CHECKPOINTS}')
        unknown = {*(mixed_precision or {})} - {'param_dtype', 'reduce_dtype'}
        if unknown:
            raise ValueError('strategy.mixed_precision has no '
                             f'{", ".join(map(repr, sorted(unknown)))}; it '
                             'takes param_dtype and reduce_dtype')
        self.in_parts = state_dict_cfg == 'local'
        self.blocks = tuple(blocks)
        # inputs stay as they are: the loss is of them, too
        self.precision = MixedPrecisionPolicy(
            **{
                key: _dtype(name)
                for key, name in (mixed_precision or {}).items()
            },
            cast_forward_inputs=False)

    @property
    def mixed(self) -> bool:
        """Whether gathered weights are of another type than float32."""
        return self.precision.param_dtype not in (None, torch.float32)

    def shard(self, model: nn.Module) -> None:
        """Divide the weights of a model over all processes, in place.

        Afterwards they are ``DTensor`` s. ``load_state_dict`` goes on taking
        whole tensors, of which each process keeps its rows.

        Raises:
            ValueError: If the model has none of the blocks.
        """
        blocks = [
            module for module in model.modules()
            if type(module).__name__ in self.blocks
        ]
        if not blocks:
            raise ValueError(
                f'strategy.blocks names {self.blocks}, but '
                f'{type(model).__name__} has no modules of these classes')
        for module in (*blocks, model):
            fully_shard(module, mp_policy=self.precision)
        if self.mixed:  # in this, too, validation computes
            torch.set_autocast_dtype(
                next(model.parameters()).device.type,
                self.precision.param_dtype)
        for module in model.modules():
            # after hooks of its own, which resample
            module.register_load_state_dict_pre_hook(_take_rows)

    def whole_or_parts(self, state: Any) -> Any:
        """What a checkpoint holds of nested containers of sharded tensors.

        To be called on all processes. With 'full' only the first one gets
        the tensors, the others get None for each.
        """
        return apply_to(state, lambda value: isinstance(value, DTensor),
                        self._part if self.in_parts else _whole)

    @staticmethod
    def _part(value: DTensor) -> dict[str, Any]:
        # a copy, since it is a view of a larger storage
        rows = value.detach().to_local().to('cpu', copy=True)
        return part_of(rows, value.shape)


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f'strategy.mixed_precision names the type {name!r}, '
                         'which PyTorch does not have')
    return dtype


def _whole(value: DTensor) -> Tensor | None:
    whole = value.detach().full_tensor()
    return whole.cpu() if is_main_process() else None


def rows_of(parameter: Tensor, whole: Tensor) -> Tensor:
    """The part of a whole tensor that this process holds of a parameter."""
    if not isinstance(parameter,
                      DTensor) or parameter.shape != whole.shape or isinstance(
                          whole, DTensor):
        return whole
    return distribute_tensor(
        whole.to(parameter.device),
        parameter.device_mesh,
        parameter.placements,
        src_data_rank=None)


def _take_rows(module: nn.Module, state_dict: dict[str, Tensor], prefix: str,
               *args: Any) -> None:
    for name, parameter in module.named_parameters(recurse=False):
        if prefix + name in state_dict:
            state_dict[prefix + name] = rows_of(parameter,
                                                state_dict[prefix + name])


def shard_optimizer_state(optimizer: Optimizer,
                          saved: Mapping[str, Any]) -> dict[str, Any]:
    """A plain optimiser's state dict for one of sharded parameters."""
    parameters = [
        parameter for group in optimizer.param_groups
        for parameter in group['params']
    ]
    numbers = [
        number for group in saved['param_groups'] for number in group['params']
    ]
    state = {
        number: {
            key:
            rows_of(parameter, value) if isinstance(value, Tensor) else value
            for key, value in saved['state'][number].items()
        }
        for number, parameter in zip(numbers, parameters)
        if number in saved['state']
    }
    return {**saved, 'state': state}
