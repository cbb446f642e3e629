"""Pickles of tensors, arrays and plain values, read without running code.

OpenMMLab saves predictions as pickles; an ordinary reader runs whatever a
file asks for.
"""
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray


def _storage(content: bytes) -> Any:
    """A tensor's numbers; PyTorch's own function would run code of theirs."""
    return torch.load(io.BytesIO(content), weights_only=True)


def _encode(text: str, encoding: str) -> bytes:
    """How NumPy and Python write bytes in older protocols."""
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'text is encoded in {encoding!r}')
    return text.encode(encoding)


ALLOWED: dict[tuple[str, str], Callable] = {
    ('_codecs', 'encode'): _encode,
    ('collections', 'OrderedDict'): OrderedDict,
    ('numpy', 'dtype'): np.dtype,
    ('numpy', 'ndarray'): np.ndarray,
    ('torch', 'Size'): torch.Size,
    ('torch', 'device'): torch.device,
    ('torch._utils', '_rebuild_tensor_v2'): torch._utils._rebuild_tensor_v2,
    ('torch.storage', '_load_from_bytes'): _storage,
    **{(module, name): getattr(multiarray, name)
       for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
       for name in ('_reconstruct', 'scalar')}
}  # yapf: disable


class _PlainUnpickler(pickle.Unpickler):

    def find_class(self, module: str, name: str) -> Callable:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f'{module}.{name} is not loaded for safety: only tensors, '
                'arrays and plain values are') from None


def load_pickle(path: str) -> Any:
    """Read a pickle of tensors, NumPy arrays and plain Python values.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no whole pickle, or holds anything else.
    """
    with Path(path).open('rb') as file:
        try:
            return _PlainUnpickler(file).load()
        except (pickle.UnpicklingError, EOFError, ValueError, IndexError,
                KeyError, TypeError, AttributeError, RuntimeError,
                UnicodeDecodeError, MemoryError, OverflowError) as error:
            # damaged pickles raise any of these
            raise ValueError(f'{path} cannot be read: {error}') from None
