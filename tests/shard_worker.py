"""Trainings, one after the other, in one process of several.

    torchrun shard_worker.py JOBS

Starting processes takes longer than such trainings. ``JOBS`` is a JSON file
of the arguments of ``tools/train.py``; where they start with ``limited``, the
last process may not write more than a few bytes, and errors are written to
``error_RANK.txt`` in the work directory.
"""
import json
import os
import resource
import sys
from pathlib import Path
from unittest import mock

from tooling import run_tool

WORK_DIR = 2  # place in the arguments


def train(args: list[str]) -> None:
    """A training by the real tool."""
    done = run_tool('train.py', *args, '--launcher', 'pytorch')
    assert done.returncode == 0, done.stderr


def train_limited(args: list[str]) -> None:
    """The same with a disk that is full for one process."""
    rank = int(os.environ['RANK'])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if rank == 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
    try:
        train(args)
    except OSError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        Path(args[WORK_DIR], f'error_{rank}.txt').write_text(str(error))


def main(jobs: Path) -> None:
    """Do all of them."""
    for job in json.loads(jobs.read_text()):
        if job[0] == 'limited':
            train_limited(job[1:])
        else:
            train(job)


if __name__ == '__main__':
    # configs are logged as they are: formatting takes a second each time
    with mock.patch('yapf.yapflib.yapf_api.FormatCode', lambda text, **_:
                    (text, False)):
        main(Path(sys.argv[1]))
