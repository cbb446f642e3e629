"""Data that depends on (seed, epoch, position) and on nothing else.

A sample's random numbers are seeded by its position in the epoch, so its
augmentation is the same in the main process or any worker, with one process
or many, and in a run that was interrupted. Positions count over all
processes: with the samplers of OpenMMLab, which deal out samples in turn,
position ``p`` of one process is position ``p // N`` of process ``p % N``.
"""
import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info
from torch.utils.data import BatchSampler, DataLoader, IterableDataset


class SampleIndex(int):
    """The index of a sample that also says how to seed its random numbers.

    Args:
        index: Index into the data set.
        seed: Seed below 2**32.
    """
    seed: int

    def __new__(cls, index: int, seed: int) -> 'SampleIndex':
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __reduce__(self) -> tuple:  # it is sent to worker processes
        return SampleIndex, (int(self), self.seed)


class ResumableBatches:
    """Batches of a batch sampler, from any position, with seeded indices.

    Args:
        batch_sampler: Yields lists of indices; any of OpenMMLab or PyTorch.
        seed: The same on all processes.
    """

    def __init__(self, batch_sampler: BatchSampler, seed: int) -> None:
        self.batch_sampler = batch_sampler
        self.seed = seed
        self.epoch = 0
        self._advanced: Iterator[list] | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.__dict__['batch_sampler'], name)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[list]:
        # runs at the first next(): loaders with workers call iter() twice
        batches, self._advanced = self._advanced, None
        yield from self._batches() if batches is None else batches

    def advance(self, epoch: int, num_batches: int) -> int:
        """Let the next iteration start inside an epoch, loading nothing.

        Args:
            epoch: Number of the epoch, from 0.
            num_batches: Batches to pass over.

        Returns:
            The number passed over, fewer if the epoch ends before.
        """
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)
        self._advanced = self._batches()
        return sum(1 for _ in islice(self._advanced, num_batches))

    def reseed(self, seed: int) -> None:
        """Use the seed of an earlier run, for order and augmentation."""
        self.seed = seed
        if hasattr(self.sampler, 'seed'):
            self.sampler.seed = seed

    def _batches(self) -> Iterator[list]:
        rank, world_size = get_dist_info()
        position = rank
        for batch in self.batch_sampler:
            seeded = []
            for index in batch:
                if isinstance(index, int):
                    index = SampleIndex(index, self._seed_of(position))
                seeded.append(index)
                position += world_size
            yield seeded

    def _seed_of(self, position: int) -> int:
        place = f'{self.seed} {self.epoch} {position}'.encode()
        return int.from_bytes(blake2b(place, digest_size=4).digest(), 'big')


class SeededDataset:
    """A data set whose samples are drawn under the seed of their index.

    Everything else is the data set's own: attributes are read from it and
    set on it.

    Args:
        dataset: Any map-style data set.
    """

    def __init__(self, dataset: Any) -> None:
        self.__dict__['_inner'] = dataset

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or '_inner' not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.__dict__['_inner'], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__['_inner'], name, value)

    def __len__(self) -> int:
        return len(self.__dict__['_inner'])

    def __getitem__(self, index: Any) -> Any:
        dataset = self.__dict__['_inner']
        if not isinstance(index, SampleIndex):
            return dataset[index]
        with seeded(index.seed):
            return dataset[int(index)]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the CPU's random numbers, then continue them as before.

    Args:
        seed: Below 2**32.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    # torch.manual_seed would also reset the device's generator
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def make_resumable(loader: DataLoader, seed: int) -> DataLoader:
    """Seed the samples of a new loader and let it start inside an epoch.

    Args:
        loader: A loader that has not been iterated. One over a stream, or
            without batches, is left as it is.
        seed: The same on all processes.
    """
    # Every iterator draws its workers' base seed; from the global generator
    # a resumed run would draw at other times than an unbroken one.
    loader.generator = torch.Generator()
    if loader.batch_sampler is None or isinstance(loader.dataset,
                                                  IterableDataset):
        return loader
    # A loader refuses to exchange its parts because a running iterator would
    # not notice; there is none yet. Given to its constructor, our batch
    # sampler would blank `batch_size` and `sampler`, which hooks read.
    vars(loader).update(
        dataset=SeededDataset(loader.dataset),
        batch_sampler=ResumableBatches(loader.batch_sampler, seed))
    return loader
