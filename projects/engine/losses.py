"""Losses for the log: of all processes, read rarely, and checked."""
import math
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

# Losses are read from the device at least this often, in iterations.
MAX_PENDING = 100
# With loss scaling, so many updates may overflow one after the other.
MAX_SKIPPED = 30


class NonFiniteLossError(FloatingPointError):
    """A loss, or a weight, became NaN or infinite.

    Attributes:
        iteration: When, counted from 1.
    """

    def __init__(self, message: str, iteration: int) -> None:
        super().__init__(message)
        self.iteration = iteration


def batch_files(data_batch: Any) -> list[str]:
    """Paths of the images of a batch, where its data samples know them."""
    samples = data_batch.get('data_samples') if isinstance(
        data_batch, Mapping) else None
    paths = [getattr(sample, 'img_path', None) for sample in samples or ()]
    return [str(path) for path in paths if path]


@HOOKS.register_module()
class LazyRuntimeInfoHook(RuntimeInfoHook):
    """``RuntimeInfoHook`` that does not wait for the device at every step.

    Losses stay on the device until they are logged, validated or saved; then
    one transfer reads them all, averaged over all processes. Upstream reads
    each loss at each step, of the first process alone. At that point a loss
    that is not finite stops the training, before anything is saved.

    With loss scaling (float16) an overflow is no error: the scaler leaves out
    the update and lowers the scale. Such updates are counted in the log, and
    30 in a row stop the training.
    """

    def before_train(self, runner: Runner) -> None:
        """See ``RuntimeInfoHook``; also learns when losses are logged."""
        super().before_train(runner)
        self._pending: list[tuple[int, dict[str, Any], list[str]]] = []
        self._scale, self._skipped, self._skipped_in_a_row = 0., 0, 0
        self._intervals = [
            hook.interval for hook in runner.hooks
            if isinstance(hook, LoggerHook)
        ]

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: dict[str, Any] | None = None) -> None:
        """Keep the losses of an iteration; read them when they are logged."""
        if outputs:
            kept = {
                key: value.detach() if isinstance(value, Tensor) else value
                for key, value in outputs.items()
            }
            scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
            if scaler is not None and scaler.is_enabled():
                # get_scale() would wait for the device
                kept['loss_scale'] = scaler._scale.clone()
            self._pending.append(
                (runner.iter + 1, kept, batch_files(data_batch)))
        if (len(self._pending) >= MAX_PENDING
                or self.end_of_epoch(runner.train_dataloader, batch_idx)
                or any(
                    self.every_n_inner_iters(batch_idx, interval)
                    for interval in self._intervals)):
            self.flush_losses(runner)

    def after_train_epoch(self,
                          runner: Runner,
                          metrics: dict[str, float] | None = None) -> None:
        """Read the losses of the last iterations."""
        self.flush_losses(runner)

    def before_val(self, runner: Runner) -> None:
        """Read the losses before validation results join them."""
        if runner.message_hub.get_info('loop_stage') == 'train':
            self.flush_losses(runner)
        super().before_val(runner)

    def flush_losses(self, runner: Runner) -> None:
        """Read all pending losses; the runner calls this before saving.

        Raises:
            NonFiniteLossError: If one is NaN or infinite, on all processes.
        """
        pending, self._pending = getattr(self, '_pending', []), []
        if not pending:
            return
        device = next(runner.model.parameters()).device
        own = torch.stack([
            torch.as_tensor(value).to(device, torch.float64).reshape(())
            for _, outputs, _ in pending for value in outputs.values()
        ])
        mean = own.clone()
        all_reduce(mean, op='mean')
        values = iter(mean.tolist())
        finite = True
        skipped = self._skipped
        for iteration, outputs, _ in pending:
            finite_here = True
            for key in outputs:
                value = next(values)
                finite_here &= 'loss' not in key or math.isfinite(value)
                runner.message_hub.update_scalar(f'train/{key}', value)
            if 'loss_scale' in outputs:
                self._count_skipped(iteration, value, finite_here)
            else:
                finite &= finite_here
        if not finite:
            _stop(runner, pending, own.tolist())
        if self._skipped > skipped:
            runner.logger.warning(
                f'{self._skipped} updates left out so far, whose gradients '
                f'overflowed; the loss scale is {self._scale:g}')

    def _count_skipped(self, iteration: int, scale: float,
                       finite: bool) -> None:
        """Count an update that the loss scaler has left out.

        Raises:
            NonFiniteLossError: If none succeeds any more.
        """
        if scale >= self._scale and finite:
            self._skipped_in_a_row = 0
        else:
            self._skipped += 1
            self._skipped_in_a_row += 1
        self._scale = scale
        if self._skipped_in_a_row > MAX_SKIPPED:
            raise NonFiniteLossError(
                f'training stopped: at iteration {iteration} gradients '
                f'overflowed for the {self._skipped_in_a_row}th time in a '
                f'row; the loss scale has fallen to {scale:g}. Train in '
                'bfloat16 or float32', iteration)


def _stop(runner: Runner, pending: list[tuple[int, dict, list[str]]],
          own: list[float]) -> None:
    """Raise with what all processes know of the first bad iteration."""
    values = iter(own)
    found: list[tuple[int, list[str], list[str]]] = []
    for iteration, outputs, files in pending:
        bad = [
            f'{key} is {value}' for key, value in zip(outputs, values)
            if 'loss' in key and not math.isfinite(value)
        ]
        if bad:
            found.append((iteration, bad, files))
    found = [item for items in all_gather_object(found) for item in items]
    first = min(iteration for iteration, *_ in found)
    losses: list[str] = []
    paths: list[str] = []
    for iteration, bad, files in found:
        if iteration == first:
            losses += [text for text in bad if text not in losses]
            paths += files
    last = runner.message_hub.get_info('last_ckpt')
    raise NonFiniteLossError(
        f'training stopped: at iteration {first} {", ".join(losses)}. '
        f'Files of that batch: {", ".join(paths) or "not known"}. '
        f'--non-finite explain names the cause, --non-finite skip goes on '
        f'without that batch. Last good checkpoint: {last or "none yet"}',
        first)
