"""Losses that are logged: of all processes, and never NaN unnoticed."""
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from faults import TOOLS


def logged_losses(work_dir: Path) -> list[float]:
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    lines = [json.loads(line) for line in files[-1].read_text().splitlines()]
    return [line['loss'] for line in lines if 'loss' in line]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def test_nan_stops_and_keeps_the_last_good_checkpoint(run_tool, config,
                                                      tmp_path, image_folder):
    work = tmp_path / 'work'
    code, log = run_tool('train.py', config, '--work-dir', work,
                         '--cfg-options', 'custom_hooks.0.nan_at=8',
                         'default_hooks.checkpoint.by_epoch=False',
                         'default_hooks.checkpoint.interval=3',
                         'default_hooks.checkpoint.max_keep_ckpts=1',
                         'default_hooks.logger.interval=50')
    assert code == 1
    error = log.splitlines()[-1]
    assert 'NonFiniteLossError: training stopped: at iteration 8' in error
    assert 'loss is nan' in error
    named = error.split('Files of that batch: ')[1].split('. --non-finite')[0]
    assert len(named.split(', ')) == 5  # the batch size
    assert all(
        Path(name).is_file() and name.startswith(str(image_folder))
        for name in named.split(', '))
    assert error.endswith(f'Last good checkpoint: {work}/iter_6.pth')
    assert [path.name for path in work.glob('iter*')] == ['iter_6.pth']
    weights = torch.load(work / 'iter_6.pth', weights_only=True)['state_dict']
    assert all(value.isfinite().all() for value in weights.values())


SCALED = [
    'optim_wrapper.type=ScaledOptimWrapper',
    'default_hooks.logger.interval=50',
]


def test_overflows_are_left_out_and_counted(run_tool, config, tmp_path):
    code, log = run_tool('train.py', config, '--work-dir', tmp_path / 'work',
                         '--cfg-options', *SCALED,
                         'custom_hooks.0.bad_batch_at=7',
                         'custom_hooks.0.bad_batches=2')
    assert code == 0, log
    assert '2 updates left out so far' in log
    assert 'the loss scale is 16384' in log  # 65536, halved twice
    last = torch.load(tmp_path / 'work/epoch_3.pth', weights_only=True)
    assert all(value.isfinite().all() for value in last['state_dict'].values())
    steps = {int(s['step']) for s in last['optimizer']['state'].values()}
    assert steps == {13}


def test_overflows_without_end_stop(run_tool, config, tmp_path):
    code, log = run_tool('train.py', config, '--work-dir', tmp_path / 'work',
                         '--no-validate', '--cfg-options', *SCALED,
                         'train_cfg.max_epochs=20',
                         'custom_hooks.0.bad_batch_at=3',
                         'custom_hooks.0.bad_batches=99')
    assert code == 1
    assert 'at iteration 33 gradients overflowed for the 31th time' in log


def test_two_processes_log_the_losses_of_one(run_tool, config, tmp_path):
    with config.open('a') as file:
        file.write("model['backbone']['drop_rate'] = 0.\n"
                   "optim_wrapper['optimizer'] = dict(type='SGD', lr=0.1)\n")
    one, two = tmp_path / 'one', tmp_path / 'two'
    code, log = run_tool('train.py', config, '--work-dir', one,
                         '--no-validate', '--cfg-options',
                         'train_dataloader.batch_size=8')
    assert code == 0, log
    done = subprocess.run(
        [
            'bash', TOOLS / 'dist_train.sh', config, '2', '--work-dir', two,
            '--no-validate', '--cfg-options', 'train_dataloader.batch_size=4',
            'train_dataloader.num_workers=1', 'env_cfg.dist_cfg.backend=nccl'
        ],
        env={
            **os.environ, 'PYTHON': sys.executable,
            'PORT': str(free_port()),
            'PYTHONPATH': str(TOOLS.parent / 'tests')
        },
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=180)
    assert done.returncode == 0, done.stderr
    first, second = logged_losses(one), logged_losses(two)
    assert len(first) >= 3 and first == pytest.approx(second, rel=1e-5)
    weights = [
        torch.load(work / 'epoch_3.pth', weights_only=True)['state_dict']
        for work in (one, two)
    ]
    for name in weights[0]:
        torch.testing.assert_close(
            weights[0][name], weights[1][name], rtol=1e-4, atol=1e-5)
