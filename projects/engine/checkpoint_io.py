"""Checkpoint files are written whole or not at all, and found again."""
import os
import re
import shutil
import zipfile
from pathlib import Path

import torch
from mmengine.logging import print_log
from safetensors import SafetensorError, safe_open

from projects.common.safe_load import CheckpointError, damaged
from projects.common.sharded import files_of, is_sharded

# Ending of a file that is being written.
UNFINISHED = '.unfinished'
# State of a run that was told to end; the next checkpoint replaces it.
INTERRUPTED = 'interrupted.pth'


def check_file(filename: str) -> None:
    """Read a checkpoint file through and compare its checksums.

    ``torch.load`` does not look at the checksums that ``torch.save`` writes.
    A safetensors file has none; its tensors have to fill it exactly. Of a
    sharded checkpoint all files are looked at.

    Raises:
        CheckpointError: If the file is truncated or a byte has changed.
    """
    if os.path.isdir(filename):
        _check_sharded(filename)
        return
    if filename.removesuffix(UNFINISHED).endswith('.safetensors'):
        _check_safetensors(filename)
        return
    try:
        with zipfile.ZipFile(filename) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError) as error:
        raise CheckpointError(damaged(filename, filename, error)) from None
    if broken is not None:
        raise CheckpointError(
            f'{filename} is damaged: the checksum of {broken} in it is wrong')


def _check_sharded(folder: str) -> None:
    try:
        files = files_of(folder)
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    for file in files:
        check_file(str(file))


def _check_safetensors(filename: str) -> None:
    try:
        with safe_open(filename, 'pt') as content:
            content.keys()
    except SafetensorError as error:
        raise CheckpointError(damaged(filename, filename, error)) from None


def commit_file(filename: str) -> None:
    """Put ``FILENAME.unfinished`` in its place once it is safe on the disk.

    Raises:
        CheckpointError: If what was written does not read back.
        OSError: If the disk refuses.
    """
    _sync(filename + UNFINISHED)
    check_file(filename + UNFINISHED)
    os.replace(filename + UNFINISHED, filename)
    _sync(os.path.dirname(os.path.abspath(filename)))


def commit_folder(folder: str) -> None:
    """Put ``FOLDER.unfinished`` in its place; its files are safe already."""
    _sync(folder + UNFINISHED)
    if os.path.isdir(folder):  # a folder cannot be replaced in one step
        remove(folder)
    os.rename(folder + UNFINISHED, folder)
    _sync(os.path.dirname(os.path.abspath(folder)))


def remove(path: str | Path) -> None:
    """Delete a checkpoint, plain or sharded, if it is there."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        Path(path).unlink(missing_ok=True)


def save_whole(checkpoint: dict, filename: str) -> None:
    """``torch.save`` that writes a file whole or not at all.

    Raises:
        OSError: If the file cannot be written; nothing is left behind.
    """
    unfinished = Path(filename + UNFINISHED)
    try:
        with open(unfinished, 'wb') as file:
            torch.save(checkpoint, file)
        commit_file(filename)
    except RuntimeError as error:  # what PyTorch makes of a full disk
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(filename: str, text: str) -> None:
    """Write a small text file that is never seen half-written."""
    Path(filename + UNFINISHED).write_text(text)
    _sync(filename + UNFINISHED)
    os.replace(filename + UNFINISHED, filename)


def remove_unfinished(folder: str) -> None:
    """Delete what a killed run was writing."""
    for path in Path(folder).glob(f'*{UNFINISHED}'):
        remove(path)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_checkpoint(folder: str) -> str | None:
    """The newest checkpoint in ``folder`` that training can go on from.

    Damaged files are passed over with a warning. A folder that is a sharded
    checkpoint itself is the one.

    Returns:
        Its path, or None when the folder holds no checkpoint at all.

    Raises:
        CheckpointError: If there are checkpoints but none is usable.
    """
    failures = []
    place = Path(folder)
    for path in [place] if is_sharded(place) else _candidates(place):
        try:
            check_file(str(path))
            return str(path)
        except CheckpointError as error:
            failures.append(str(error))
            print_log(f'{error}; trying the one before', 'current', 30)
    if failures:
        raise CheckpointError(f'no usable checkpoint in {folder}: ' +
                              '; '.join(failures))
    return None


def _candidates(folder: Path) -> list[Path]:
    """Checkpoints of a training run, the one written last first."""
    last = None
    note = folder / 'last_checkpoint'
    if note.is_file():
        last = Path(note.read_text().strip())
        if not last.exists():  # the folder was moved
            last = folder / last.name
    # CheckpointHook may write elsewhere; its note stays in the work directory
    place = last.parent if last is not None and last.exists() else folder
    files = [
        path for path in place.glob('*.pth')
        if not path.name.startswith('best_')
    ]
    return sorted(
        files, key=lambda path: (path == last, _step(path)), reverse=True)


def _step(path: Path) -> tuple[int, int]:
    """Order of checkpoints: by the number in their name, then by age."""
    numbers = re.findall(r'\d+', path.stem)
    return int(numbers[-1]) if numbers else -1, path.stat().st_mtime_ns
