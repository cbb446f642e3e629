"""A training that is told to end saves its state first."""
import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from .checkpoint_io import INTERRUPTED, write_text

# Schedulers send the first; `sbatch --signal=USR1@60` chooses the second.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Save a checkpoint and exit when a signal asks the process to end.

    Schedulers send SIGTERM some seconds before they take a machine away. The
    iteration is finished, ``interrupted.pth`` is written, and the process
    exits with status 128 + the signal's number, as a process does that the
    signal has ended. ``--resume`` continues from there. A second signal ends
    the process at once.

    Several processes stop after the same iteration, whichever of them was
    asked: each iteration starts an exchange over gloo in the background, and
    reads that of the iteration before. The device is not waited for.

    A validation is finished first.
    """
    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Listen to the signals from now on."""
        self._asked = 0
        self._exchange: tuple[torch.Tensor, dist.Work] | None = None
        self._group = dist.new_group(
            backend='gloo') if get_world_size() > 1 else None
        self._handlers: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._handlers[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            self._stop_listening()
            os.kill(os.getpid(), number)
        self._asked = number

    def _stop_listening(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: dict[str, Any] | None = None) -> None:
        """Save and exit if some process was asked to.

        Raises:
            SystemExit: After saving.
        """
        asked = self._asked if self._group is None else self._agree()
        if asked:
            path = _save(runner)
            runner.logger.warning(
                f'stopped by {signal.Signals(asked).name} after iteration '
                f'{runner.iter + 1}: {path} is written, --resume continues')
            raise SystemExit(128 + asked)

    def _agree(self) -> int:
        """The signal that some process had noted an iteration ago, or 0."""
        asked = self._finish_exchange()
        number = torch.tensor(self._asked)
        work = dist.all_reduce(
            number, dist.ReduceOp.MAX, self._group, async_op=True)
        self._exchange = number, work
        return asked

    def _finish_exchange(self) -> int:
        if self._exchange is None:
            return 0
        number, work = self._exchange
        work.wait()
        return int(number)

    def after_train(self, runner: Runner) -> None:
        """Leave the signals to whoever had them before."""
        self._finish_exchange()
        self._stop_listening()


def _save(runner: Runner) -> str:
    """Write the state after this iteration; returns the file's path."""
    folder = next(
        (hook.out_dir
         for hook in runner.hooks if isinstance(hook, CheckpointHook)),
        runner.work_dir)
    path = os.path.join(folder, INTERRUPTED)
    runner.save_checkpoint(folder, INTERRUPTED, by_epoch=False)
    if is_main_process():
        write_text(os.path.join(runner.work_dir, 'last_checkpoint'), path)
    return path
