"""SIGKILL at moments that nobody chose; the run ends as the unbroken one."""
import multiprocessing
import random
import time
from pathlib import Path

import pytest
from faults import run_script
from same_run import assert_same_run

# a checkpoint every 3 iterations and a validation every 5: many of the kills
# hit one of those
LONG = """
train_cfg = dict(by_epoch=False, max_iters=200, val_interval=5)
param_scheduler = dict(type='PolyLR', by_epoch=False, end=200)
train_dataloader['sampler'] = dict(type='InfiniteSampler')
default_hooks['checkpoint'].update(
    by_epoch=False, interval=3, max_keep_ckpts=2)
default_hooks['logger'].update(interval=1)
custom_hooks += [dict(type='EMAHook', momentum=0.1)]
"""


def start(config: Path, work: Path, log: Path, *arguments: str):
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['projects.engine', 'mmpretrain'])
    process = context.Process(
        target=run_script,
        args=('train.py', [str(config), '--work-dir',
                           str(work),
                           *arguments], str(log), str(work.parent), None))
    process.start()
    return process


def kill_at_random(process, log: Path, chance: random.Random) -> bool:
    """Kill a process some time after its first iteration."""
    while process.is_alive() and '(train)' not in log.read_text():
        time.sleep(0.01)
    process.join(chance.uniform(0, 0.4))
    process.kill()
    process.join()
    return process.exitcode == -9


@pytest.mark.parametrize('kills', [
    pytest.param(3),
    pytest.param(50, marks=pytest.mark.slow),
])
def test_ends_as_unbroken(config, tmp_path, kills):
    with config.open('a') as file:
        file.write(LONG)
    log = tmp_path / 'log.txt'
    log.touch()
    whole = start(config, tmp_path / 'whole', log)
    whole.join()
    assert whole.exitcode == 0, log.read_text()[-2000:]

    broken, chance, resume = tmp_path / 'broken', random.Random(kills), []
    for number in range(kills):
        log.write_text('')
        process = start(config, broken, log, *resume)
        assert kill_at_random(process, log, chance), (
            f'the run was over, or failed, before kill {number + 1}: '
            f'{log.read_text()[-2000:]}')
        if list(broken.glob('iter_*.pth')):
            resume = ['--resume']
    last = start(config, broken, log, *resume)
    last.join()
    assert last.exitcode == 0, log.read_text()[-2000:]
    assert_same_run(tmp_path / 'whole/iter_200.pth', broken / 'iter_200.pth')
