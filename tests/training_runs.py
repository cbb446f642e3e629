"""Trainings by the real tools: interrupted, resumed, on several processes."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tooling import ROOT

KILL_HOOK = """
import os
import signal
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KillHook(Hook):
    # SIGKILL in the middle of the step that KILL_AT names

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == int(os.environ.get('KILL_AT', -1)):
            os.kill(os.getpid(), signal.SIGKILL)
"""

# Data, optimiser and schedule: 3 epochs of 12 images.
RUN = """
train_dataloader = dict(
    batch_size={batch}, num_workers={workers},
    persistent_workers={workers} > 0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='CustomDataset', data_root='{folder}/images', with_label=False,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=32, backend='pillow',
                 crop_ratio_range=(0.5, 1.0)),
            dict(type='RandomFlip', prob=0.5),
            {more}dict(type='PackInputs')]))
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, betas=(0.9, 0.95)))
param_scheduler = dict(type='LinearLR', start_factor=0.1, by_epoch=False,
                       begin=0, end=10)
train_cfg = dict(by_epoch=True, max_epochs=3)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2,
                    max_keep_ckpts=2))
custom_hooks = [dict(type='KillHook')]
randomness = dict(seed=3)
"""


def make_project(folder: Path) -> None:
    """Put twelve images and the hook into a folder."""
    data = folder / 'images'
    data.mkdir()
    random = np.random.RandomState(0)
    for index in range(12):
        pixels = random.randint(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f'{index}.png')
    (folder / 'kill_hook.py').write_text(KILL_HOOK)


def write_config(folder: Path,
                 model: str,
                 batch: int,
                 workers: int = 0,
                 more: str = '') -> Path:
    """A config in the folder of :func:`make_project`.

    Args:
        folder: That folder.
        model: Imports, scope and model, as text.
        batch: Images of a process in a step.
        workers: Processes that load them.
        more: Transforms at the end of the pipeline, as text.
    """
    text = model + RUN
    for name, value in dict(
            batch=batch, workers=workers, folder=folder, more=more).items():
        text = text.replace(f'{{{name}}}', str(value))
    path = folder / f'config_{batch}_{workers}.py'
    path.write_text(text)
    return path


def train(config, work_dir, *args, kill_at=None, processes=1):
    """Run tools/train.py or tools/dist_train.sh; returns the exit code."""
    env = dict(
        os.environ,
        PYTHONPATH=str(config.parent),
        PYTHON=sys.executable,
        OMP_NUM_THREADS='1',
        PORT=str(29600 + os.getpid() % 1000))
    if kill_at is not None:
        env['KILL_AT'] = str(kill_at)
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(config)]
    if processes > 1:
        command = ['bash', str(ROOT / 'tools/dist_train.sh'), str(config),
                   str(processes)]  # yapf: disable
    done = subprocess.run(
        [*command, '--work-dir', str(work_dir), *args],
        env=env,
        capture_output=True,
        text=True,
        timeout=300)
    return done


def losses(work_dir):
    """Logged losses by step, over all sessions of a work dir."""
    found = {}
    for file in sorted(work_dir.glob('*/vis_data/2*.json')):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if 'loss' in entry:
                found[entry['step']] = entry['loss']
    return found


def final_state(work_dir):
    return torch.load(work_dir / 'iter_9.pth', weights_only=False)


def check_interrupted(config: Path, folder: Path) -> None:
    """Killed in mid-epoch (3 steps each), twice, and resumed: no difference.

    Weights, moments of the optimiser and losses are bit-identical to those
    of a training that was left alone.
    """
    whole = train(config, folder / 'whole')
    assert whole.returncode == 0, whole.stderr[-2000:]
    broken = folder / 'broken'
    assert train(config, broken, kill_at=4).returncode == -9
    assert train(config, broken, '--resume', kill_at=7).returncode == -9
    last = train(config, broken, '--resume')
    assert last.returncode == 0, last.stderr[-2000:]

    ours, unbroken = final_state(broken), final_state(folder / 'whole')
    for name, value in unbroken['state_dict'].items():
        assert torch.equal(ours['state_dict'][name], value), name
    moments = unbroken['optimizer']['state']
    for index, state in moments.items():
        for name, value in state.items():
            assert torch.equal(ours['optimizer']['state'][index][name],
                               value), (index, name)  # yapf: disable
    assert losses(broken) == losses(folder / 'whole')


def check_two_processes(one: Path, two: Path, folder: Path) -> None:
    """Two processes, half a batch each, log the losses of one."""
    single = train(one, folder / 'one')
    assert single.returncode == 0, single.stderr[-2000:]
    both = train(two, folder / 'two', processes=2)
    assert both.returncode == 0, both.stderr[-2000:]
    ours, expected = losses(folder / 'two'), losses(folder / 'one')
    assert ours.keys() == expected.keys() == set(range(1, 10))
    for step, value in expected.items():
        assert abs(ours[step] - value) <= 1e-4 * abs(value), step
