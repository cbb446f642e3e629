"""Workers of a loader that end when their process is killed.

A worker of torch that notices the loss of its process waits until all that it
had to send is taken, and nobody takes it any more: with samples larger than a
pipe it stays for ever, with its memory.
"""
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # of Linux's prctl


class MortalWorker:
    """A function for ``worker_init_fn``: let the system end the worker.

    On Linux; elsewhere it only calls ``init``.

    Args:
        init: What else a worker begins with.
    """

    def __init__(self, init: Callable[[int], None] | None) -> None:
        self.init = init

    def __call__(self, worker: int) -> None:
        if sys.platform == 'linux':
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            parent = multiprocessing.parent_process()
            if parent is not None and parent.pid != os.getppid():
                # it was killed before
                os.kill(os.getpid(), signal.SIGKILL)
        if self.init is not None:
            self.init(worker)
