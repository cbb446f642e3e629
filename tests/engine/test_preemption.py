"""Jobs that are told to end, and jobs that lose a process."""
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from same_run import assert_same_run

ROOT = Path(__file__).parents[2]
SEED = ['randomness.seed=3']
BY_ITER = [
    'default_hooks.checkpoint.by_epoch=False',
    'default_hooks.checkpoint.interval=4'
]
STOPPED = 128 + signal.SIGTERM


def fault(**what: object) -> list[str]:
    return [f'custom_hooks.0.{name}={value}' for name, value in what.items()]


def dist_train(config: Path, *args: object, restarts: int = 0) -> tuple:
    """``tools/dist_train.sh`` on two processes: exit status and output."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    env = dict(
        os.environ,
        PYTHON=sys.executable,
        PYTHONPATH=str(ROOT / 'tests'),
        PORT=str(port),
        MAX_RESTARTS=str(restarts),
        OMP_NUM_THREADS='1')
    done = subprocess.run(
        ['bash', ROOT / 'tools/dist_train.sh', config, '2', *map(str, args)],
        env=env,
        cwd=config.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240)
    return done.returncode, done.stdout


@pytest.mark.parametrize('options', [SEED, BY_ITER], ids=['epoch', 'iter'])
def test_sigterm_saves_and_exits(run_tool, config, tmp_path, options):
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    code, log = run_tool('train.py', config, '--work-dir', whole,
                         '--cfg-options', *options)
    assert code == 0, log
    code, log = run_tool('train.py', config, '--work-dir', broken,
                         '--cfg-options', *options, *fault(term_at=7))
    assert code == STOPPED, log
    assert 'stopped by SIGTERM after iteration 7' in log
    saved = broken / 'interrupted.pth'
    assert (broken / 'last_checkpoint').read_text() == str(saved)
    assert 'Traceback' not in log

    code, log = run_tool('train.py', config, '--work-dir', broken, '--resume',
                         '--cfg-options', *options)
    assert code == 0, log
    assert 'resumed epoch: 1, iter: 7' in log
    last = 'epoch_3.pth' if options == SEED else 'iter_15.pth'
    assert_same_run(whole / last, broken / last)
    assert not saved.exists()


@pytest.fixture(scope='module')
def two_unbroken(tmp_path_factory):
    """Work directory of a run of two processes, trained once."""
    work = tmp_path_factory.mktemp('two')

    def train(config: Path) -> Path:
        if not (work / 'epoch_3.pth').exists():
            code, log = dist_train(config, '--work-dir', work, '--cfg-options',
                                   *SEED)
            assert code == 0, log
        return work

    return train


def test_two_processes_stop_together(config, tmp_path, two_unbroken):
    """The second alone is told; both save the same iteration."""
    whole, broken = two_unbroken(config), tmp_path / 'broken'
    code, log = dist_train(config, '--work-dir', broken, '--cfg-options',
                           *SEED, *fault(term_at=4, rank=1))
    assert code != 0
    assert 'stopped by SIGTERM after iteration 5' in log
    code, log = dist_train(config, '--work-dir', broken, '--resume',
                           '--cfg-options', *SEED)
    assert code == 0, log
    assert 'resumed epoch: 1, iter: 5' in log
    assert_same_run(whole / 'epoch_3.pth', broken / 'epoch_3.pth')


def test_a_lost_process_costs_a_restart(config, tmp_path, two_unbroken):
    """torchrun starts the job again; it goes on from its last checkpoint."""
    whole, broken = two_unbroken(config), tmp_path / 'broken'
    code, log = dist_train(
        config,
        '--work-dir',
        broken,
        '--cfg-options',
        *SEED,
        *fault(kill_at=5, rank=1, once=tmp_path / 'killed'),
        restarts=1)
    assert code == 0, log
    assert (tmp_path / 'killed').exists()
    assert 'resumed epoch: 1' in log
    assert_same_run(whole / 'epoch_3.pth', broken / 'epoch_3.pth')
