"""Checkpoint files: safe to read, whole or absent."""
import argparse
import os
import pickle
import random
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from projects.common import safe_load
from projects.common.safe_load import CheckpointError, load_file
from projects.engine.checkpoint_io import (UNFINISHED, commit_file,
                                           find_checkpoint, write_text)
from projects.engine.run_state import (pack_logs, plain, random_state,
                                       set_random_state, unpack_logs)


class Intruder:
    """An object whose unpickling creates a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace), )


def test_no_code_of_a_file_runs(tmp_path):
    trace, path = tmp_path / 'trace', tmp_path / 'evil.pth'
    torch.save(dict(state_dict=dict(a=Intruder(trace))), path)
    with pytest.raises(CheckpointError, match='not loaded for safety.*mkdir'):
        CheckpointLoader.load_checkpoint(str(path))
    path.write_bytes(pickle.dumps(Intruder(trace)))
    with pytest.raises(CheckpointError, match='evil.pth'):
        CheckpointLoader.load_checkpoint(str(path))
    assert not trace.exists()


def test_every_loader_of_mmengine_is_replaced():
    loaders = CheckpointLoader._schemes.values()
    ours = {safe_load.__name__, 'projects.zoo.address'}
    assert {loader.__module__ for loader in loaders} <= ours


def test_official_checkpoints_load(tmp_path):
    path = tmp_path / 'official.pth'
    saved = dict(
        model=dict(w=torch.ones(2)),
        epoch=3,
        args=argparse.Namespace(lr=0.1, blocks=[1, 2]))
    torch.save(saved, path)
    loaded = load_file(str(path))
    assert loaded['args'] == saved['args'] and loaded['epoch'] == 3


def test_checkpoints_of_mmengine_load(tmp_path):
    """Their logs need ``getattr``, of which only this use is allowed."""
    path = tmp_path / 'mmengine.pth'
    history = HistoryBuffer([0.5, 1.5], [1, 1])
    torch.save(dict(message_hub=dict(log_scalars=dict(loss=history))), path)
    loaded = load_file(str(path))['message_hub']
    assert unpack_logs(loaded)['log_scalars']['loss'].mean() == 1.

    class Sneaky:

        def __reduce__(self):
            return getattr, (HistoryBuffer, '__init__')

    torch.save(dict(a=Sneaky()), path)
    with pytest.raises(CheckpointError, match='mmengine.pth'):
        load_file(str(path))


def test_the_newest_checkpoint_is_found_in_a_moved_folder(tmp_path):
    for step in (9, 10, 11):
        torch.save({}, tmp_path / f'epoch_{step}.pth')
    torch.save({}, tmp_path / 'best_acc_epoch_12.pth')
    assert find_checkpoint(str(tmp_path)).endswith('epoch_11.pth')
    write_text(f'{tmp_path}/last_checkpoint', '/elsewhere/epoch_10.pth')
    assert find_checkpoint(str(tmp_path)).endswith('epoch_10.pth')
    (tmp_path / 'epoch_10.pth').write_bytes(b'')
    assert find_checkpoint(str(tmp_path)).endswith('epoch_11.pth')


@pytest.mark.parametrize('content, message', [
    (b'', '0 bytes'),
    (b'not a checkpoint', '16 bytes'),
    (None, 'truncated'),
])
def test_what_is_not_a_checkpoint_is_named(tmp_path, content, message):
    path = tmp_path / 'some.pth'
    torch.save(dict(state_dict=dict(a=torch.zeros(1000))), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2] if content is None else content)
    with pytest.raises(CheckpointError, match=f'some.pth .*{message}'):
        load_file(str(path))


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.pth does not exist'):
        load_file(str(tmp_path / 'none.pth'))
    with pytest.raises(CheckpointError, match='is a folder'):
        load_file(str(tmp_path))


def test_random_state_round_trip():
    state = plain(random_state())
    expected = [torch.rand(3), *random.sample(range(99), 3)]
    set_random_state(state)
    again = [torch.rand(3), *random.sample(range(99), 3)]
    assert torch.equal(expected[0], again[0]) and expected[1:] == again[1:]


def test_logs_survive_as_plain_tensors(tmp_path):
    history = HistoryBuffer([1.5, 0.1], [1, 2], max_length=7)
    logs = dict(
        log_scalars={'train/loss': history},
        runtime_info=dict(
            best=history.data[0][0], odd=object(), names=('a', 'b')),
        resumed_keys={'train/loss': True})
    path = tmp_path / 'logs.pth'
    torch.save(pack_logs(logs), path)
    loaded = unpack_logs(torch.load(path, weights_only=True))
    copy = loaded['log_scalars']['train/loss']
    for one, other in zip(history.data, copy.data):
        assert one.dtype == other.dtype and one.tolist() == other.tolist()
    assert copy.max_length == 7
    assert loaded['runtime_info'] == dict(best=1.5, names=('a', 'b'))


def test_only_what_reads_back_takes_its_place(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(a=torch.zeros(99)), path)
    good = path.read_bytes()
    unfinished = tmp_path / f'epoch_1.pth{UNFINISHED}'
    unfinished.write_bytes(good[:-50])
    with pytest.raises(CheckpointError, match='epoch_1.pth.unfinished'):
        commit_file(str(path))
    assert path.read_bytes() == good
    unfinished.write_bytes(good)
    commit_file(str(path))
    assert not unfinished.exists()


def test_full_disk_leaves_the_last_good_checkpoint(run_tool, config, tmp_path):
    work = tmp_path / 'work'
    options = ['default_hooks.checkpoint.max_keep_ckpts=1']
    run_tool('train.py', config, '--work-dir', work, '--no-validate',
             '--cfg-options', *options, 'train_cfg.max_epochs=1')
    before = (work / 'epoch_1.pth').read_bytes()
    code, log = run_tool(
        'train.py',
        config,
        '--work-dir',
        work,
        '--no-validate',
        '--resume',
        '--cfg-options',
        *options,
        max_file_size=len(before) - 1000)
    assert code == 1
    assert f'checkpoint {work}/epoch_2.pth was not written' in log
    assert (work / 'last_checkpoint').read_text() == f'{work}/epoch_1.pth'
    assert (work / 'epoch_1.pth').read_bytes() == before
    assert [path.name for path in work.glob('epoch_*')] == ['epoch_1.pth']
