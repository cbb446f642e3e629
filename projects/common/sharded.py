"""Sharded checkpoints: a folder with a file of each process.

    iter_100.pth/rank0-of-2.pth
    iter_100.pth/rank1-of-2.pth

The first has the form of a plain checkpoint, written by ``torch.save``, with
*parts* in place of sharded tensors: the rows of the first dimension that the
process holds, in the order of the ranks, and the whole shape. The others hold
what has parts, and all the note of when they were written.
"""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PART = {'part', 'shape'}  # keys of a part
STATES = ('state_dict', 'optimizer', 'gradients')  # what has parts
PARTED = (*STATES, 'saved_at')  # what every file has


def part_of(rows: Tensor, shape: torch.Size) -> dict[str, Any]:
    """What stands for a sharded tensor in a file."""
    return dict(part=rows, shape=shape)


def is_part(content: Any) -> bool:
    """Whether this is what one of the files holds."""
    state = content.get('state_dict') if isinstance(content, Mapping) else None
    return isinstance(state, Mapping) and any(
        isinstance(value, Mapping) and value.keys() == PART
        for value in state.values())


def file_name(rank: int, processes: int) -> str:
    """Name of a process's file."""
    return f'rank{rank}-of-{processes}.pth'


def is_sharded(folder: str | Path) -> bool:
    """Whether a folder is a sharded checkpoint, complete or not."""
    return any(Path(folder).glob('rank*-of-*.pth'))


def files_of(folder: str | Path) -> list[Path]:
    """Files of a sharded checkpoint, in the order of the ranks.

    Raises:
        ValueError: If the folder is no sharded checkpoint, or a file is
            missing or one too many.
    """
    found = {path.name for path in Path(folder).glob('rank*-of-*.pth')}
    if not found:
        raise ValueError(
            f'{folder} is a folder without {file_name(0, 2)} or the like: a '
            'checkpoint file, or the folder of a sharded one, is expected')
    processes = max(name.removesuffix('.pth').split('-of-')[1]
                    for name in found)  # yapf: disable
    if not processes.isdecimal():
        raise ValueError(f'{folder}: how many processes is {processes!r}?')
    names = [file_name(rank, int(processes)) for rank in range(int(processes))]
    missing, extra = sorted({*names} - found), sorted(found - {*names})
    if missing or extra:
        wrong = [
            f'{word} {", ".join(files[:4])}'
            for word, files in (('missing', missing), ('too many', extra))
            if files
        ]
        raise ValueError(f'{folder} is not one whole sharded checkpoint of '
                         f'{processes} processes: {"; ".join(wrong)}')
    return [Path(folder, name) for name in names]


def join(contents: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """The plain checkpoint of the files' contents, given in order.

    Args:
        contents: What :func:`files_of` names, read.
        name: The folder, for messages.

    Raises:
        ValueError: If they are not of one checkpoint.
    """
    saved_at = {tuple(content['saved_at']) for content in contents}
    if len(saved_at) > 1:
        raise ValueError(f'{name} mixes files of several checkpoints: run, '
                         f'epoch and iteration are {sorted(saved_at)}')
    whole = dict(contents[0])
    del whole['saved_at']
    for key in STATES:
        if key in whole:
            whole[key] = _join([content[key] for content in contents],
                               f'{name}: {key}')
    return whole


def _join(values: Sequence[Any], name: str) -> Any:
    first = values[0]
    if not isinstance(first, Mapping):
        return first
    if first.keys() != PART:
        return {
            key: _join([value[key] for value in values], f'{name}.{key}')
            for key in first
        }
    whole = torch.cat([value['part'] for value in values])
    if whole.shape != first['shape']:
        raise ValueError(f'{name} has the shape {tuple(whole.shape)} when '
                         f'joined, expected {tuple(first["shape"])}')
    return whole
