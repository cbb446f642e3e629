"""Processes, and hooks that do to a run what users' machines do."""
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KillHook(Hook):
    """Kill the process as ``kill -9`` does, after an iteration.

    Args:
        iteration: Number of the iteration, from 1.
    """
    priority = 'LOWEST'

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Kill when the time has come."""
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


def run_script(name: str, arguments: list[str], log: str, cwd: str) -> None:
    """Body of a process that runs a tool as the shell would."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(cwd)
    sys.path.insert(0, '')  # where python puts the folder of the script
    path = str(Path(__file__).parents[1] / 'tools' / name)
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name='__main__')
