"""Memory of a training step: what is held for backward, and the peak."""
import ctypes
import gc
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from .machine import synchronise

Output = TypeVar('Output')


def held_for_backward(forward: Callable[[], Output],
                      without: Iterable[Tensor]) -> tuple[int, Output]:
    """Bytes that a forward pass keeps until its backward pass.

    Every tensor that autograd saves is looked at; a storage counts once,
    however many views of it are saved.

    Args:
        forward: Runs the forward pass.
        without: Tensors that exist anyway, such as parameters.

    Returns:
        The bytes, and what ``forward`` returned.
    """
    held: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage._cdata] = storage.nbytes()
        # an operation's own output would hold itself, and so never go
        return tensor.detach()

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        output = forward()
    for tensor in without:
        held.pop(tensor.untyped_storage()._cdata, None)
    return sum(held.values()), output


def peak_above_start(step: Callable[[], object],
                     device: torch.device) -> int | None:
    """Bytes by which memory grows while ``step`` runs.

    On a GPU what torch has allocated, elsewhere resident memory of the
    process; None where the system does not tell (it is Linux that does).
    """
    gc.collect()
    if device.type == 'cuda':
        synchronise(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        start = torch.cuda.memory_allocated(device)
        step()
        synchronise(device)
        return torch.cuda.max_memory_allocated(device) - start
    _give_back()
    if not _reset_peak():
        return None
    start = _resident('VmRSS')
    step()
    return _resident('VmHWM') - start


def _give_back() -> None:
    """Have the C library return freed memory, so that it is not reused."""
    if sys.platform == 'linux':
        trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
        if trim is not None:
            trim(0)


def _reset_peak() -> bool:
    """Set the peak of resident memory to its present value."""
    try:
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        return False
    return True


def _resident(key: str) -> int:
    """Resident memory in bytes: ``VmRSS`` now, ``VmHWM`` at most."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(key + ':'):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f'/proc/self/status has no {key}')
