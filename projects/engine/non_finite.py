"""Find what made a loss NaN or infinite, and go on without it.

Training reads its losses rarely, so a bad one is noticed some iterations
late, when the weights are spoiled. What follows starts again from the last
good checkpoint and looks closely at the iterations in question.
"""
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from .checkpoint_io import save_whole
from .losses import NonFiniteLossError, batch_files
from .run_state import random_state, set_random_state


def is_finite(value: Any) -> bool:
    """Whether all floats in nested containers of tensors are finite."""
    return all(
        bool(leaf.isfinite().all()) for leaf in tree_leaves(value)
        if isinstance(leaf, Tensor) and leaf.is_floating_point())


@contextmanager
def first_bad_module(model: nn.Module) -> Iterator[list[str]]:
    """Collect the name of the first module whose output is not finite.

    Modules are called from outside in and finish from inside out, so it is
    the innermost one. Waits for the device at every module.
    """
    found: list[str] = []

    def hook(name: str) -> Any:

        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and not is_finite(output):
                found.append(f'{name} ({type(module).__name__})')

        return look

    handles = [
        module.register_forward_hook(hook(name))
        for name, module in model.named_modules() if name
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def find_cause(model: nn.Module, batch: Any,
               optim_wrapper: OptimWrapper | None) -> str | None:
    """Do a training step without the update; say what is not finite in it.

    Weights, buffers, gradients and random states are as before afterwards.

    Args:
        model: A model of any toolbox, not wrapped for distribution.
        batch: As the loader gives it.
        optim_wrapper: Sets the precision; None for float32.

    Returns:
        The first of: weights, module outputs, losses, gradients; None if all
        are finite. With loss scaling gradients may overflow and are not
        looked at.
    """
    bad = [name for name, value in model.state_dict().items()
           if not is_finite(value)]  # yapf: disable
    if bad:
        return f'weights {", ".join(bad[:3])} before the step'
    with _unchanged(model), first_bad_module(model) as modules:
        if optim_wrapper is None:
            losses = _losses(model, batch)
        else:
            with optim_wrapper.optim_context(model):
                losses = _losses(model, batch)
        if modules:
            return f'the output of {modules[0]}'
        total, logs = model.parse_losses(losses)
        bad = [name for name, value in logs.items() if not is_finite(value)]
        if bad:
            return f'{bad[0]}, though every output of a module is finite'
        if getattr(optim_wrapper, 'loss_scaler', None) is None:
            return _bad_gradient(model, total)
    return None


def _losses(model: nn.Module, batch: Any) -> dict:
    return model(**model.data_preprocessor(batch, True), mode='loss')


def _bad_gradient(model: nn.Module, loss: Tensor) -> str | None:
    trained = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    gradients = torch.autograd.grad(
        loss, list(trained.values()), allow_unused=True)
    # the backward pass comes from the end
    return next((f'the gradient of {name}'
                 for name, gradient in reversed([*zip(trained, gradients)])
                 if not is_finite(gradient)), None)


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Undo what a step does to weights, buffers and random states."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    randomness = random_state()
    try:
        yield
    finally:
        set_random_state(randomness)
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(state[name])


@HOOKS.register_module()
class NonFiniteProbe(Hook):
    """Look closely at iterations before they are done.

    The batch of one that would spoil the run is written to
    ``non_finite_iter_N.pth`` in the work directory, with the weights and
    random states before it (``tools/replay.py`` repeats it).

    Args:
        iterations: Which, counted from 1.
        skip: Go on without that batch; otherwise stop and name the cause.

    Raises:
        NonFiniteLossError: On all processes, if not ``skip``.
    """
    priority = 'LOWEST'

    def __init__(self, iterations: Sequence[int], skip: bool) -> None:
        self.iterations = set(iterations)
        self.skip = skip

    def before_train_iter(self,
                          runner: Runner,
                          batch_idx: int,
                          data_batch: Any = None) -> None:
        """Try the iteration out."""
        iteration = runner.iter + 1
        if iteration not in self.iterations:
            return
        model = runner.model.module if is_model_wrapper(
            runner.model) else runner.model
        cause = find_cause(model, data_batch, runner.optim_wrapper)
        found = None
        if cause is not None:
            files = ', '.join(batch_files(data_batch)) or 'not known'
            path = _write_bundle(runner, model, data_batch, iteration, cause)
            found = f'{cause} is not finite. Files: {files}. Batch: {path}'
        causes = [text for text in all_gather_object(found) if text]
        if not causes:
            return
        text = f'at iteration {iteration} {"; ".join(causes)}'
        if not self.skip:
            raise NonFiniteLossError(f'training stopped: {text}', iteration)
        runner.logger.warning(f'skipped: {text}')
        runner.model.train_step = _no_step

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: dict[str, Any] | None = None) -> None:
        """Let the next iteration be done."""
        if vars(runner.model).get('train_step') is _no_step:
            del runner.model.train_step


def _no_step(*args: Any, **kwargs: Any) -> dict:
    return {}


def _write_bundle(runner: Runner, model: nn.Module, batch: Any, iteration: int,
                  cause: str) -> str:
    rank = f'_rank{get_rank()}' if runner.distributed else ''
    path = Path(runner.work_dir, f'non_finite_iter_{iteration}{rank}.pth')
    save_whole(
        dict(
            iteration=iteration,
            cause=cause,
            state_dict=model.state_dict(),
            batch=batch,
            random_state=random_state()), str(path))
    return str(path)


def replay(model: nn.Module, bundle: Mapping[str, Any]) -> str | None:
    """Repeat the step of a bundle in float32; see :func:`find_cause`.

    Args:
        model: Built from the config of the run.
        bundle: What :class:`NonFiniteProbe` wrote.
    """
    model.load_state_dict(bundle['state_dict'])
    set_random_state(bundle['random_state'])
    return find_cause(model.train(), bundle['batch'], None)
