"""Checkpoint files: written whole or not at all, read without running code.

``torch.load`` may execute whatever a file asks for unless ``weights_only`` is
set, and mmengine falls back to that when a file needs it. Importing this
module registers loaders that never do, for every kind of address that
``init_cfg``, ``load_from`` and ``--resume`` accept.
"""
import argparse
import io
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
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import (_process_mmcls_checkpoint,
                                        get_deprecated_model_names,
                                        get_external_models, get_mmcls_models,
                                        get_torchvision_models)

# What checkpoints of the official repositories and of OpenMMLab hold besides
# tensors. None of these runs code of the file's choice when it is built.
SAFE_CLASSES = [
    argparse.Namespace, HistoryBuffer, np.ndarray, np.dtype,
    np._core.multiarray._reconstruct, np._core.multiarray.scalar,
    *(type(np.dtype(name)) for name in ('bool', 'uint8', 'uint32', 'int32',
                                        'int64', 'float32', 'float64'))
]


class CheckpointError(ValueError):
    """A file that cannot be used as the checkpoint it was given as."""


def load_file(filename: str,
              map_location: str | torch.device | Callable | None = 'cpu'
              ) -> Any:
    """Read a local checkpoint file without executing anything in it.

    Args:
        filename: Path of the file.
        map_location: As in :func:`torch.load`.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is truncated, is not a checkpoint, or needs
            classes beyond tensors and plain values.
    """
    path = Path(filename).expanduser()
    if path.is_dir():
        raise CheckpointError(
            f'{filename} is a folder: a checkpoint file is expected')
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {filename} does not exist')
    return _load(str(path), filename, map_location)


def _load(file: str | io.BytesIO, name: str,
          map_location: Any) -> Any:
    """``torch.load`` with the short list of classes and clear errors."""
    try:
        with torch.serialization.safe_globals(SAFE_CLASSES):
            return torch.load(
                file, map_location=map_location, weights_only=True)
    except OSError:
        raise
    except pickle.UnpicklingError:
        raise CheckpointError(
            _refused(name, file) or _damaged(name, file)) from None
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError,
            IndexError, TypeError, AssertionError) as error:
        # torch reports broken files by any of these
        raise CheckpointError(_damaged(name, file, error)) from None


def _refused(name: str, file: str | io.BytesIO) -> str | None:
    """Message for a file that needs more than plain values, else None."""
    if isinstance(file, io.BytesIO):
        file.seek(0)
    if not zipfile.is_zipfile(file):
        return None
    try:
        with torch.serialization.safe_globals(SAFE_CLASSES):
            needed = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except (RuntimeError, pickle.UnpicklingError):
        return None
    if not needed:
        return None
    return (f'{name} holds objects that are not loaded for safety '
            f'({", ".join(needed)}): only tensors and plain values are. Save '
            'its state_dict alone and load that')


def _damaged(name: str, file: str | io.BytesIO,
             error: Exception | None = None) -> str:
    size = (f'{os.path.getsize(file)} bytes'
            if isinstance(file, str) else 'stream')
    reason = f': {str(error).splitlines()[0]}' if error and str(error) else ''
    return (f'{name} ({size}) is truncated, damaged or not a checkpoint'
            f'{reason}')


def check_file(filename: str) -> None:
    """Read a checkpoint file through and compare its checksums.

    ``torch.load`` does not look at the checksums that ``torch.save`` writes.

    Raises:
        CheckpointError: If the file is truncated or a byte has changed.
    """
    try:
        with zipfile.ZipFile(filename) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError) as error:
        raise CheckpointError(_damaged(filename, filename, error)) from None
    if broken is not None:
        raise CheckpointError(
            f'{filename} is damaged: the checksum of {broken} in it is wrong')


def commit_file(temporary: str, filename: str) -> None:
    """Put a written file in its place once it is safe on the disk.

    Raises:
        CheckpointError: If what was written does not read back.
        OSError: If the disk refuses.
    """
    _sync(temporary)
    check_file(temporary)
    os.replace(temporary, filename)
    _sync(os.path.dirname(os.path.abspath(filename)))


def write_text(filename: str, text: str) -> None:
    """Write a small text file that is never seen half-written."""
    temporary = f'{filename}.tmp'
    Path(temporary).write_text(text)
    _sync(temporary)
    os.replace(temporary, filename)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_checkpoint(folder: str) -> str | None:
    """The newest checkpoint in ``folder`` that training can go on from.

    Damaged files are passed over with a warning.

    Returns:
        Its path, or None when the folder holds no checkpoint at all.

    Raises:
        CheckpointError: If there are checkpoints but none is usable.
    """
    failures = []
    for path in _candidates(folder):
        try:
            check_file(path)
            return path
        except CheckpointError as error:
            failures.append(str(error))
            print_log(f'{error}; trying the one before', 'current', 30)
    if failures:
        raise CheckpointError(
            f'no usable checkpoint in {folder}: ' + '; '.join(failures))
    return None


def _candidates(folder: str) -> list[str]:
    """Checkpoints of a training run, the one last written first."""
    files = [
        path for path in Path(folder).glob('*.pth')
        if not path.name.startswith('best_')
    ]
    last = Path(folder, 'last_checkpoint')
    if last.is_file():
        # may name a file elsewhere: CheckpointHook has an out_dir
        named = Path(last.read_text().strip())
        if named.is_file() and named not in files:
            files += [
                path for path in named.parent.glob('*.pth')
                if not path.name.startswith('best_')
            ]
    newest_first = sorted(
        set(path.resolve() for path in files),
        key=lambda path: path.stat().st_mtime_ns,
        reverse=True)
    return [str(path) for path in newest_first]


# Loaders for every kind of address. mmengine logs `__name__[10:]`, so their
# names start like its own.
def load_from_local(filename: str, map_location: Any = 'cpu') -> Any:
    """Loader of paths; see :func:`load_file`."""
    return load_file(filename, map_location)


def load_from_http(filename: str, map_location: Any = 'cpu') -> Any:
    """Download once per machine, check the hash in the name, then load."""
    # OpenMMLab names end in the first 8 digits of the file's SHA-256
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
    """Loader of addresses that are not read without running code."""
    raise CheckpointError(
        f'{filename}: pavi:// is not supported; download the file and give '
        'its path')


for _prefixes, _loader in (
    ('', load_from_local),
    (('http://', 'https://'), load_from_http),
    ((r'(\S+\:)?s3://', r'(\S+\:)?petrel://'), load_from_storage),
    (('modelzoo://', 'torchvision://', 'open-mmlab://', 'openmmlab://',
      'mmcls://'), load_from_names),
    ('pavi://', load_from_nowhere)):
    CheckpointLoader.register_scheme(_prefixes, _loader, force=True)
