"""Hooks that replace mmengine's under the same behaviour for the user."""
import math
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, is_main_process
from mmengine.hooks import CheckpointHook, LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from .checkpoint_io import write_text

# Losses are read from the device at least this often, in iterations.
MAX_PENDING = 100


class NonFiniteLossError(FloatingPointError):
    """A loss became NaN or infinite."""


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
    """

    def before_train(self, runner: Runner) -> None:
        """See ``RuntimeInfoHook``; also learns when losses are logged."""
        super().before_train(runner)
        self._pending: list[tuple[int, dict[str, Any], list[str]]] = []
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
        for _, outputs, _ in pending:
            for key in outputs:
                value = next(values)
                finite &= 'loss' not in key or math.isfinite(value)
                runner.message_hub.update_scalar(f'train/{key}', value)
        if not finite:
            _stop(runner, pending, own.tolist())


def _stop(runner: Runner, pending: list[tuple[int, dict, list[str]]],
          own: list[float]) -> None:
    """Raise with what every process knows of its first bad iteration."""
    values = iter(own)
    found: tuple[int, dict[str, float], list[str]] | None = None
    for iteration, outputs, files in pending:
        losses = {key: next(values) for key in outputs}
        bad = {
            key: value
            for key, value in losses.items()
            if 'loss' in key and not math.isfinite(value)
        }
        if bad and found is None:
            found = iteration, bad, files
    reports = [item for item in all_gather_object(found) if item is not None]
    first = min(iteration for iteration, *_ in reports)
    bad = {}
    files = []
    for iteration, losses, paths in reports:
        if iteration == first:
            bad.update(losses)
            files += paths
    last = runner.message_hub.get_info('last_ckpt')
    losses = ', '.join(f'{key} is {value}' for key, value in bad.items())
    raise NonFiniteLossError(
        f'training stopped: at iteration {first} {losses}. '
        f'Files of that batch: {", ".join(files) or "not known"}. '
        f'Last good checkpoint: {last or "none yet"}')


class _RemoveLater:
    """A file backend that keeps files until it is told to remove them."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._outdated: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._outdated.append(path)

    rmtree = remove

    def remove_outdated(self) -> None:
        for path in self._outdated:
            if self._backend.isfile(path):
                self._backend.remove(path)
        self._outdated.clear()


@HOOKS.register_module()
class CrashSafeCheckpointHook(CheckpointHook):
    """``CheckpointHook`` that deletes a checkpoint after the next is safe.

    Upstream deletes first: a crash while writing then leaves nothing. The
    writing itself is made safe by ``GlimpseRunner.save_checkpoint``.
    """

    def before_train(self, runner: Runner) -> None:
        """See ``CheckpointHook``; removes what a crash left half-written."""
        super().before_train(runner)
        self.file_backend = _RemoveLater(self.file_backend)
        if is_main_process():
            runner.remove_unfinished_checkpoints(self.out_dir)

    def _save_checkpoint_with_step(self, runner: Runner, step: int,
                                   meta: dict) -> None:
        # before `last_ckpt` names a file that a bad loss keeps unwritten
        runner.call_hook('flush_losses')
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                self.file_backend.remove(
                    self._path_of(self.keep_ckpt_ids.popleft()))
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids',
                                           list(self.keep_ckpt_ids))
        self.last_ckpt = self._path_of(step)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            self.filename_tmpl.format(step),
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args)
        if is_main_process():
            write_text(f'{runner.work_dir}/last_checkpoint', self.last_ckpt)
            self.file_backend.remove_outdated()

    def _path_of(self, step: int) -> str:
        return self.file_backend.join_path(self.out_dir,
                                           self.filename_tmpl.format(step))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        super()._save_best_checkpoint(runner, metrics)
        if self.save_best and is_main_process():
            self.file_backend.remove_outdated()
