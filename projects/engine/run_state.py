"""What a checkpoint must hold besides weights for a run to continue exactly.

mmengine saves weights, optimiser, schedulers and logs. These functions add
the random states of every process, and bring all of it to tensors and plain
Python values, so that a checkpoint loads with ``weights_only=True``.
"""
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log

_LEFT_OUT = object()
# exact types: NumPy's float64 is a float, but loads only as NumPy's
PLAIN = {
    str, bytes, bool, int, float, complex,
    type(None), torch.Size, torch.dtype, torch.device
}


def random_state() -> dict[str, Any]:
    """State of every random number generator of this process."""
    state = dict(
        python=random.getstate(),
        numpy=np.random.get_state(),
        torch=torch.get_rng_state())
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put back what :func:`random_state` returned."""
    random.setstate(state['python'])
    name, keys, *position = state['numpy']
    np.random.set_state((name, np.asarray(keys, np.uint32), *position))
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


def plain(value: Any, name: str = 'checkpoint') -> Any:
    """``value`` made of tensors and plain Python values only.

    NumPy values become Python numbers and tensors; what has no such form is
    left out with a warning that names it.
    """
    if isinstance(value, torch.Tensor) or type(value) in PLAIN:
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(
            value.copy()) if value.dtype.kind in 'biuf' else value.tolist()
    if isinstance(value, Mapping):
        values = [plain(item, f'{name}.{key}') for key, item in value.items()]
        return {
            key: item
            for key, item in zip(value, values) if item is not _LEFT_OUT
        }
    if isinstance(value, (list, tuple, set)):
        items = [plain(item, f'{name}.{n}') for n, item in enumerate(value)]
        items = [item for item in items if item is not _LEFT_OUT]
        return tuple(items) if isinstance(value, tuple) else items
    print_log(
        f'{name} of type {type(value).__name__} is left out of the '
        'checkpoint: only tensors and plain values are saved', 'current', 30)
    return _LEFT_OUT


def pack_logs(message_hub: Mapping[str, Any]) -> dict[str, Any]:
    """State of a ``MessageHub`` with histories as pairs of tensors."""
    scalars = {
        key:
        dict(
            values=torch.from_numpy(np.array(history.data[0])),
            counts=torch.from_numpy(np.array(history.data[1])),
            max_length=history.max_length)
        for key, history in message_hub['log_scalars'].items()
    }
    return dict(
        log_scalars=scalars,
        runtime_info=plain(message_hub['runtime_info'], 'message_hub'),
        resumed_keys=dict(message_hub['resumed_keys']))


def unpack_logs(packed: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of :func:`pack_logs`; takes mmengine's own form too."""
    scalars = {
        key:
        history if isinstance(history, HistoryBuffer) else HistoryBuffer(
            history['values'].cpu().numpy(), history['counts'].cpu().numpy(),
            history['max_length'])
        for key, history in packed['log_scalars'].items()
    }
    return {**packed, 'log_scalars': scalars}
