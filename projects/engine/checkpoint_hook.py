"""Checkpoints of a run: an old one goes when the next one is safe."""
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from .checkpoint_io import INTERRUPTED, remove_unfinished, write_text


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
            elif self._backend.isdir(path):
                self._backend.rmtree(path)
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
        self.file_backend: Any = _RemoveLater(self.file_backend)
        if is_main_process():
            remove_unfinished(self.out_dir)

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
            self.file_backend.remove(
                self.file_backend.join_path(self.out_dir, INTERRUPTED))
            self.file_backend.remove_outdated()

    def _path_of(self, step: int) -> str:
        return self.file_backend.join_path(self.out_dir,
                                           self.filename_tmpl.format(step))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        super()._save_best_checkpoint(runner, metrics)
        if self.save_best and is_main_process():
            self.file_backend.remove_outdated()
