"""Samples depend on seed, epoch and position, and on nothing else."""
import pickle
import random
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, DefaultSampler, InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader

from projects.engine.loops import EndlessBatches, ResumableEpochTrainLoop
from projects.engine.resumable_data import (ResumableBatches, SampleIndex,
                                            SeededDataset, make_resumable,
                                            seeded)


class Draws(BaseDataset):
    """Samples are their index and one draw of each generator."""

    def load_data_list(self):
        return [dict(number=number) for number in range(10)]

    def prepare_data(self, idx):
        draws = [random.random(), np.random.rand(), torch.rand(()).item()]
        if draws[1] > 0.8:
            return None  # another sample is drawn in its place
        return torch.tensor([float(int(idx)), *draws], dtype=torch.float64)


def loader(workers: int = 0,
           shuffle: bool = True,
           sampler=DefaultSampler,
           seed: int = 5) -> DataLoader:
    dataset = Draws(pipeline=[])
    return make_resumable(
        DataLoader(
            dataset,
            batch_size=3,
            sampler=sampler(dataset, shuffle=shuffle, seed=seed),
            num_workers=workers,
            persistent_workers=workers > 0), seed)


def epoch(batches: DataLoader, number: int, start: int = 0) -> torch.Tensor:
    batches.batch_sampler.advance(number, start)
    return torch.cat(list(batches))


def test_workers_and_history_do_not_matter():
    first = loader()
    expected = [epoch(first, number) for number in range(3)]
    assert not torch.equal(expected[0], expected[1])
    torch.manual_seed(99)
    np.random.seed(99)
    second = loader(workers=2)
    for number in (2, 0, 1):
        assert torch.equal(epoch(second, number), expected[number])


@pytest.mark.parametrize('workers', [0, 2])
def test_an_epoch_continues_inside(workers):
    whole = epoch(loader(), 1)
    assert torch.equal(epoch(loader(workers), 1, start=2), whole[6:])


def test_global_generators_are_left_alone():
    batches = loader()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    expected = torch.rand(2), random.random(), np.random.rand()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    epoch(batches, 0)
    actual = torch.rand(2), random.random(), np.random.rand()
    assert torch.equal(expected[0], actual[0]) and expected[1:] == actual[1:]


@pytest.mark.parametrize('sampler', [DefaultSampler, InfiniteSampler])
@pytest.mark.parametrize('skipped', [0, 2, 4, 9])
def test_endless_batches_continue_anywhere(sampler, skipped):
    whole = EndlessBatches(loader(sampler=sampler))
    expected = [next(whole) for _ in range(12)][skipped:]
    part = EndlessBatches(loader(sampler=sampler))
    part.skip_iter(skipped)
    for batch in expected:
        assert torch.equal(next(part), batch)


def test_an_epoch_has_to_end():
    batches = loader(sampler=InfiniteSampler)
    with pytest.raises(ValueError, match='is InfiniteSampler, which never'):
        ResumableEpochTrainLoop(
            SimpleNamespace(visualizer=SimpleNamespace()),
            batches,
            max_epochs=1)


def test_endless_batches_of_nothing_are_an_error():
    dataset = Draws(pipeline=[])
    empty = make_resumable(
        DataLoader(dataset, batch_size=99, drop_last=True), 0)
    batches = EndlessBatches(empty)
    batches.skip_iter(3)
    with pytest.raises(ValueError, match='10 samples gives no batch'):
        next(batches)


@pytest.mark.parametrize('kind', [DefaultSampler, InfiniteSampler])
def test_processes_share_the_samples_of_one(monkeypatch, kind):
    """Two processes with half the batch see the augmentations of one."""
    dataset = Draws(pipeline=[])

    def batches(rank, world_size, size):
        monkeypatch.setattr('projects.engine.resumable_data.get_dist_info',
                            lambda: (rank, world_size))
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda:
                            (rank, world_size))
        sampler = kind(dataset, seed=3)
        batches = ResumableBatches(BatchSampler(sampler, size, True), 3)
        return list(islice(batches, 2))

    whole = batches(0, 1, 4)
    halves = batches(0, 2, 2), batches(1, 2, 2)
    for one, first, second in zip(whole, *halves, strict=True):
        pairs = {(index, index.seed) for index in one}
        assert pairs == {(index, index.seed) for index in first + second}


def test_index_travels_with_its_seed():
    index = pickle.loads(pickle.dumps(SampleIndex(3, 77)))
    assert index == 3 and index.seed == 77
    assert [10, 11, 12, 13][index] == 13


def test_seeded_restores_after_an_error():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with pytest.raises(KeyError), seeded(1):
        torch.rand(5)
        raise KeyError
    assert torch.equal(torch.rand(1), expected)


def test_attributes_are_those_of_the_data_set():
    dataset = Draws(pipeline=[], metainfo=dict(classes=['a']))
    proxy = SeededDataset(dataset)
    assert proxy.metainfo['classes'] == ['a'] and len(proxy) == 10
    proxy.pipeline = 'changed by a hook'
    assert dataset.pipeline == 'changed by a hook'
    copy = pickle.loads(pickle.dumps(proxy))
    assert copy.pipeline == 'changed by a hook' and len(copy) == 10
    with pytest.raises(AttributeError):
        proxy.no_such_thing
