"""Interrupted training continues as if nothing had happened."""
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from same_run import assert_same_run

SEED = ['randomness.seed=3']
WORKERS = [
    'train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=1'
]
BY_ITER = [
    'default_hooks.checkpoint.by_epoch=False',
    'default_hooks.checkpoint.interval=4',
    'default_hooks.checkpoint.max_keep_ckpts=2'
]
# gradients accumulate over 3 iterations, a checkpoint comes every 5
ITER_LOOP = """
train_cfg = dict(by_epoch=False, max_iters=14, val_interval=5)
param_scheduler = dict(type='PolyLR', by_epoch=False, end=14)
train_dataloader['sampler'] = dict(type='InfiniteSampler')
train_dataloader.update(num_workers=1, persistent_workers=True)
optim_wrapper['accumulative_counts'] = 3
default_hooks['checkpoint'].update(by_epoch=False, interval=5)
custom_hooks += [dict(type='EMAHook', momentum=0.1)]
"""


def kill(stage: str, iteration: int) -> str:
    return f'custom_hooks.0.{stage}={iteration}'


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory) -> Callable[..., Path]:
    """Work directory of a run nobody interrupts, trained once per config."""
    done: dict[tuple[str, ...], Path] = {}

    def train(run_tool, config: Path, options: list[str]) -> Path:
        key = (config.read_text(), *options)
        if key not in done:
            done[key] = tmp_path_factory.mktemp('unbroken')
            code, log = run_tool('train.py', config, '--work-dir', done[key],
                                 '--cfg-options', *options)
            assert code == 0, log
        return done[key]

    return train


@pytest.mark.parametrize('extra, options, how, faults, last', [
    pytest.param(
        '',
        SEED, [],
        [kill('kill_at', 8), kill('kill_in_val_after', 10)],
        'epoch_3.pth',
        id='saved-by-epoch'),
    pytest.param(
        '',
        BY_ITER, [], [kill('kill_at', 9)],
        'iter_15.pth',
        id='saved-in-mid-epoch'),
    pytest.param(
        '',
        BY_ITER,
        WORKERS, [kill('kill_at', 13)],
        'iter_15.pth',
        id='two-workers'),
    pytest.param(
        ITER_LOOP,
        SEED, [],
        [kill('kill_at', 7), kill('kill_in_val_after', 9)],
        'iter_14.pth',
        id='iter-loop-ema-accumulation'),
    pytest.param(
        ITER_LOOP, ['train_dataloader.sampler.type=DefaultSampler'], [],
        [kill('kill_at', 9)],
        'iter_14.pth',
        id='iter-loop-finite-sampler'),
])
def test_killed_run_ends_as_unbroken(run_tool, config, tmp_path, unbroken,
                                     extra, options, how, faults, last):
    with config.open('a') as file:
        file.write(extra)
    whole = unbroken(run_tool, config, options)
    broken = tmp_path / 'broken'
    resume: list[str] = []
    for fault in faults:
        code, log = run_tool('train.py', config, '--work-dir', broken, *resume,
                             '--cfg-options', *options, *how, fault)
        assert code == -9, log
        resume = ['--resume']
    code, log = run_tool('train.py', config, '--work-dir', broken, '--resume',
                         '--cfg-options', *options, *how)
    assert code == 0, log
    assert_same_run(whole / last, broken / last)


def test_damaged_newest_checkpoint_is_passed_over(run_tool, config, tmp_path,
                                                  unbroken):
    whole, work = unbroken(run_tool, config, SEED), tmp_path / 'work'
    run_tool('train.py', config, '--work-dir', work, '--cfg-options', *SEED,
             kill('kill_at', 11))
    newest = work / 'epoch_2.pth'
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1  # torch.load does not notice this
    newest.write_bytes(content)
    (work / 'epoch_9.pth.unfinished').write_bytes(b'half')
    code, log = run_tool('train.py', config, '--work-dir', work, '--resume',
                         '--cfg-options', *SEED)
    assert code == 0, log
    assert 'epoch_2.pth is damaged' in log
    assert 'resumed epoch: 1' in log
    assert_same_run(whole / 'epoch_3.pth', work / 'epoch_3.pth')
    assert not list(work.glob('*.unfinished'))


def test_what_cannot_be_resumed(run_tool, config, tmp_path):
    empty = tmp_path / 'empty'
    empty.mkdir()
    code, log = run_tool('train.py', config, '--resume', empty)
    assert code == 1
    assert f'there is no checkpoint in {empty}' in log

    work = tmp_path / 'work'
    code, log = run_tool('train.py', config, '--work-dir', work, '--resume')
    assert code == 1
    assert 'there is no checkpoint' in log

    (empty / 'epoch_1.pth').write_bytes(b'PK\x03\x04' + bytes(50))
    code, log = run_tool('train.py', config, '--resume', empty)
    assert code == 1
    assert 'no usable checkpoint' in log and 'epoch_1.pth' in log

    weights = tmp_path / 'weights.pth'
    torch.save(dict(state_dict={'backbone.x': torch.zeros(2)}), weights)
    code, log = run_tool('train.py', config, '--resume', weights)
    assert code == 1
    assert f'cannot resume from {weights}: it holds weights but no' in log
    assert f'load_from={weights}' in log


def test_a_training_checkpoint_starts_a_new_training(run_tool, config,
                                                     tmp_path):
    """``resume=True`` in a config is fine in a new folder, as is load_from."""
    first = tmp_path / 'first'
    code, log = run_tool('train.py', config, '--work-dir', first,
                         '--cfg-options', 'resume=True',
                         'train_cfg.max_epochs=1')
    assert code == 0, log
    assert 'training starts from scratch' in log
    source = first / 'epoch_1.pth'
    code, log = run_tool('train.py', config, '--work-dir', tmp_path / 'second',
                         '--cfg-options', f'load_from={source}',
                         'train_cfg.max_epochs=1')
    assert code == 0, log
    assert f'weights from {source}: 100.0% of the backbone loaded' in log
    assert 'Epoch(train) [1][2/5]' in log
