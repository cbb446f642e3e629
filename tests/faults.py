"""Processes, and hooks that do to a run what users' machines do."""
import os
import resource
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS, OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class ScaledOptimWrapper(OptimWrapper):
    """Loss scaling without a GPU; ``AmpOptimWrapper`` insists on one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss_scaler = torch.amp.GradScaler('cpu')

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        self.loss_scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()


@HOOKS.register_module()
class FaultHook(Hook):
    """Let something happen at an iteration, counted from 1.

    Args:
        kill_at: Kill the process, as ``kill -9`` does, after this iteration.
        kill_in_val_after: Kill it in the first validation after this one.
        kill_in_save_after: Kill it while it writes the first checkpoint after
            this one: the system does at the 10,000th byte, by SIGXFSZ.
        nan_at: Spoil the weights before this iteration.
        spoil_at: Spoil the weights after this iteration.
        bad_batch_at: Spoil the images of this iteration.
        bad_batches: Of so many iterations from there.
        term_at: Ask the process to end, as schedulers do, in this iteration.
        rank: Process that this happens to, where there are several.
        once: A file to leave behind; if it is there, nothing happens.
    """
    priority = 'LOWEST'

    def __init__(self,
                 kill_at: int = 0,
                 kill_in_val_after: int = 0,
                 kill_in_save_after: int = 0,
                 nan_at: int = 0,
                 spoil_at: int = 0,
                 bad_batch_at: int = 0,
                 bad_batches: int = 1,
                 term_at: int = 0,
                 rank: int = 0,
                 once: str | None = None) -> None:
        self.kill_at = kill_at
        self.kill_in_val_after = kill_in_val_after
        self.kill_in_save_after = kill_in_save_after
        self.nan_at = nan_at
        self.spoil_at = spoil_at
        self.bad_batch_at = bad_batch_at
        self.bad_batches = bad_batches
        self.term_at = term_at
        self.rank = rank
        self.once = once

    def before_train_iter(self, runner: Any, batch_idx: int,
                          data_batch: dict) -> None:
        """Spoil weights or images when the time has come."""
        if runner.iter + 1 == self.nan_at:
            next(runner.model.parameters()).data.fill_(float('nan'))
        if runner.rank != self.rank:
            return
        if 0 < self.bad_batch_at <= runner.iter + 1 < (self.bad_batch_at +
                                                       self.bad_batches):
            data_batch['inputs'] = [
                image * float('nan') for image in data_batch['inputs']
            ]
        if runner.iter + 1 == self.term_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def after_train_iter(self, runner: Any, **kwargs: Any) -> None:
        """Kill, or spoil the weights, when the time has come."""
        if runner.iter + 1 == self.spoil_at:
            next(runner.model.parameters()).data.fill_(float('nan'))
        if runner.rank != self.rank:
            return
        if runner.iter + 1 == self.kill_at and not self._before():
            os.kill(os.getpid(), signal.SIGKILL)

    def _before(self) -> bool:
        """Whether it has happened before; notes that it does now."""
        if self.once is None or Path(self.once).exists():
            return self.once is not None
        Path(self.once).touch()
        return False

    def after_val_iter(self, runner: Any, **kwargs: Any) -> None:
        """Kill when the time has come."""
        if 0 < self.kill_in_val_after <= runner.iter:
            os.kill(os.getpid(), signal.SIGKILL)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Limit the size of files when the time has come."""
        if 0 < self.kill_in_save_after <= runner.iter:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))


TOOLS = Path(__file__).parents[1] / 'tools'


def run_script(name: str, arguments: list[str], log: str, cwd: str,
               max_file_size: int | None) -> None:
    """Body of a process that runs a tool as the shell would."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(cwd)
    if max_file_size is not None:  # writing more fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE,
                           (max_file_size, max_file_size))
    sys.path.insert(0, '')  # where python puts the folder of the script
    path = str(TOOLS / name)
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name='__main__')
