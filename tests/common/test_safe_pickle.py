"""Predictions are read, and nothing is run."""
import os
import pickle
import random

import numpy as np
import pytest
import torch
from mutate import mutate_bytes

from projects.common.safe_pickle import load_pickle

VALUES = dict(
    tensor=torch.arange(6).view(2, 3).half(),
    array=np.arange(4.),
    number=np.float32(0.5),
    counts=b'ab',
    size=torch.Size([2]),
    text='x',
    items=[(1, None, True)])


class Intruder:

    def __init__(self, trace, call=os.mkdir):
        self.trace, self.call = trace, call

    def __reduce__(self):
        return self.call, (str(self.trace), )


def test_plain_values_come_back(tmp_path):
    path = tmp_path / 'values.pkl'
    path.write_bytes(pickle.dumps(VALUES))
    loaded = load_pickle(str(path))
    assert torch.equal(loaded.pop('tensor'), VALUES['tensor'])
    assert (loaded.pop('array') == VALUES['array']).all()
    assert loaded == {key: VALUES[key] for key in loaded}


@pytest.mark.parametrize('inside', [False, True], ids=['open', 'storage'])
def test_no_code_runs(tmp_path, inside):
    """Not even out of what a tensor's numbers are stored in."""
    trace, path = tmp_path / 'trace', tmp_path / 'evil.pkl'
    content = Intruder(trace)
    if inside:
        import io
        buffer = io.BytesIO()
        torch.save(content, buffer)
        from torch.storage import _load_from_bytes
        content = Intruder(trace, _load_from_bytes)
        content.trace = buffer.getvalue()
        content.__class__ = type(
            'Storage', (Intruder, ),
            dict(__reduce__=lambda self: (self.call, (self.trace, ))))
    path.write_bytes(pickle.dumps([content]))
    with pytest.raises(ValueError, match='evil.pkl cannot be read'):
        load_pickle(str(path))
    assert not trace.exists()


def test_damaged_files_are_named(tmp_path):
    content = pickle.dumps(VALUES)
    for seed in range(300):
        path = tmp_path / f'{seed}.pkl'
        path.write_bytes(mutate_bytes(content, random.Random(seed)))
        try:
            load_pickle(str(path))
        except ValueError as error:
            assert str(path) in str(error)
