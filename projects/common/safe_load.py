"""Checkpoint files are read without running code from them.

``torch.load`` may execute whatever a file asks for unless ``weights_only`` is
set, and mmengine falls back to that when a file needs it. Importing this
module registers loaders that never do, for every kind of address that
``init_cfg``, ``load_from`` and ``--resume`` accept.
"""
import argparse
import io
import json
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, get_rank
from mmengine.fileio import get_file_backend
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import (_process_mmcls_checkpoint,
                                        get_deprecated_model_names,
                                        get_external_models, get_mmcls_models,
                                        get_torchvision_models)
from numpy._core import multiarray
from safetensors import SafetensorError, safe_open

from . import sharded


def _history_statistic(owner: Any, name: str) -> Callable:
    """What mmengine's logs need of ``getattr``, and no more."""
    if owner is HistoryBuffer and name in ('min', 'max', 'mean', 'current'):
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(f'getattr of {name} is not allowed')


# What checkpoints of the official repositories and of mmengine hold besides
# tensors. None of these runs code of the file's choice when it is built.
SAFE_CLASSES = [
    argparse.Namespace, HistoryBuffer,
    (_history_statistic, 'builtins.getattr'), np.ndarray, np.dtype,
    multiarray._reconstruct, multiarray.scalar,
    *(type(np.dtype(name)) for name in ('bool', 'uint8', 'uint32', 'int32',
                                        'int64', 'float32', 'float64'))
]


class CheckpointError(ValueError):
    """A file that cannot be used as the checkpoint it was given as."""


class UnsafeCheckpointError(CheckpointError):
    """A file that is not read because that would run code from it."""


def load_file(filename: str,
              map_location: Any = 'cpu',
              trust: bool = False) -> Any:
    """Read a local checkpoint file without executing anything in it.

    Args:
        filename: Path of the file; safetensors, or of ``torch.save``. The
            folder of a sharded checkpoint is read as one plain file.
        map_location: As in :func:`torch.load`.
        trust: Read files that need more than tensors and plain values, which
            runs whatever code is in them.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is truncated, is not a checkpoint, or needs
            classes beyond tensors and plain values.
    """
    path = Path(filename).expanduser()
    if path.is_dir():
        return _load_sharded(path, map_location)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {filename} does not exist')
    if path.suffix == '.safetensors':
        return _load_safetensors(str(path), filename, map_location)
    if trust:
        return torch.load(path, map_location=map_location, weights_only=False)
    content = _load(str(path), filename, map_location)
    if sharded.is_part(content):
        raise CheckpointError(f'{filename} is a part of a sharded checkpoint: '
                              f'give its folder, {path.parent}')
    return content


def _load_sharded(folder: Path, map_location: Any) -> dict:
    """The plain checkpoint that the files in a folder make up."""
    try:
        return sharded.join([
            _load(str(path), str(path), map_location)
            for path in sharded.files_of(folder)
        ], str(folder))
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f'{folder}: its files are not parts of one checkpoint '
            f'({type(error).__name__}: {error})') from None


def _load_safetensors(file: str, name: str, map_location: Any) -> dict:
    """Tensors and notes of a file that cannot hold anything else."""
    device = map_location if isinstance(map_location, str) else 'cpu'
    try:
        with safe_open(file, 'pt', device=device) as content:
            tensors = {key: content.get_tensor(key) for key in content.keys()}
            notes = content.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(damaged(name, file, error)) from None
    # notes are strings; ours are JSON in one of them
    meta = json.loads(notes['meta']) if 'meta' in notes else notes
    return dict(meta=meta, state_dict=tensors)


def _load(file: str | io.BytesIO, name: str, map_location: Any) -> Any:
    """``torch.load`` with the short list of classes and clear errors."""
    try:
        with torch.serialization.safe_globals(SAFE_CLASSES):
            return torch.load(
                file, map_location=map_location, weights_only=True)
    except OSError:
        raise
    except pickle.UnpicklingError as error:
        needed = _needed(file, error)
        if not needed:
            raise CheckpointError(damaged(name, file)) from None
        raise UnsafeCheckpointError(
            f'{name} holds objects that are not loaded for safety '
            f'({", ".join(needed)}): only tensors and plain values are. Save '
            'its state_dict alone and load that') from None
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError,
            IndexError, TypeError, AssertionError) as error:
        # torch reports broken files by any of these
        raise CheckpointError(damaged(name, file, error)) from None


def _needed(file: str | io.BytesIO,
            error: pickle.UnpicklingError) -> list[str]:
    """What a file needs beyond plain values, by its names in Python."""
    needed = re.findall(r'nsupported (?:global: )?GLOBAL (\S+)', str(error))
    if isinstance(file, io.BytesIO):
        file.seek(0)
    if zipfile.is_zipfile(file):  # these can be searched for all of them
        try:
            with torch.serialization.safe_globals(SAFE_CLASSES):
                needed = (
                    torch.serialization.get_unsafe_globals_in_checkpoint(file)
                    or needed)
        except (RuntimeError, pickle.UnpicklingError):
            pass
    return needed


def damaged(name: str,
            file: str | io.BytesIO,
            error: Exception | None = None) -> str:
    """Message for a file that is no whole checkpoint."""
    size = (f'{os.path.getsize(file)} bytes'
            if isinstance(file, str) else 'stream')
    reason = f': {str(error).splitlines()[0]}' if error and str(error) else ''
    return (f'{name} ({size}) is truncated, damaged or not a checkpoint'
            f'{reason}')


# Loaders for every kind of address. mmengine logs `__name__[10:]`, so their
# names start like its own.
def load_from_local(filename: str, map_location: Any = 'cpu') -> Any:
    """Loader of paths; see :func:`load_file`."""
    return load_file(filename, map_location)


def load_from_http(filename: str, map_location: Any = 'cpu') -> Any:
    """Download once, check the hash if the name ends in one, and load."""
    # OpenMMLab's names end in the first 8 digits of the file's SHA-256
    has_hash = re.search(r'-[0-9a-f]{8,}\.', filename) is not None
    if get_rank() != 0:
        barrier()
    with torch.serialization.safe_globals(SAFE_CLASSES):
        checkpoint = torch.hub.load_state_dict_from_url(
            filename,
            map_location=map_location,
            progress=get_rank() == 0,
            check_hash=has_hash,
            weights_only=True)
    if get_rank() == 0:
        barrier()
    return checkpoint


def load_from_storage(filename: str, map_location: Any = 'cpu') -> Any:
    """Loader of object storage (s3://, petrel://)."""
    backend = get_file_backend(filename, backend_args=dict(backend='petrel'))
    with io.BytesIO(backend.get(filename)) as buffer:
        return _load(buffer, filename, map_location)


def load_from_names(filename: str, map_location: Any = 'cpu') -> Any:
    """Loader of model names (torchvision://, open-mmlab://, mmcls://)."""
    scheme, name = filename.split('://', 1)
    if scheme in ('torchvision', 'modelzoo'):
        return load_from_http(get_torchvision_models()[name], map_location)
    if scheme == 'mmcls':
        return _process_mmcls_checkpoint(
            load_from_http(get_mmcls_models()[name], map_location))
    name = get_deprecated_model_names().get(name, name)
    return load_from_http(get_external_models()[name], map_location)


def load_from_nowhere(filename: str, map_location: Any = 'cpu') -> Any:
    """Loader of addresses that only unsafe code could read."""
    raise CheckpointError(
        f'{filename}: pavi:// is not supported; download the file and give '
        'its path')


_LOADERS: list[tuple[Callable, tuple[str, ...]]] = [
    (load_from_local, ('', )),
    (load_from_http, ('http://', 'https://')),
    (load_from_storage, (r'(\S+\:)?s3://', r'(\S+\:)?petrel://')),
    (load_from_names, ('modelzoo://', 'torchvision://', 'open-mmlab://',
                       'openmmlab://', 'mmcls://')),
    (load_from_nowhere, ('pavi://', )),
]
for _loader, _prefixes in _LOADERS:
    CheckpointLoader.register_scheme(_prefixes, _loader, force=True)
