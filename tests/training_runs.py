"""Trainings by the real tools: interrupted, resumed, on several processes."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from same_run import assert_same_run
from trainings import losses, train

KILL_HOOK = """
import os
import signal
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KillHook(Hook):
    # the signal KILL_WITH in the middle of the step that KILL_AT names

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == int(os.environ.get('KILL_AT', -1)):
            name = os.environ.get('KILL_WITH', 'SIGKILL')
            os.kill(os.getpid(), getattr(signal, name))
"""

# A tiny ConvMAE.
CONVMAE = """
custom_imports = dict(imports=['projects.convmae', 'kill_hook'],
                      allow_failed_imports=False)
default_scope = 'mmpretrain'
model = dict(
    type='MaskedAutoencoder',
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor', mean=[127.5] * 3, std=[60.] * 3,
        to_rgb=True),
    masking=dict(type='RandomTokenMasking', ratio=0.75),
    backbone=dict(
        type='ConvViT', img_size=32, pos_trainable=False,
        drop_path_rate={drop_path},
        arch=dict(channels=(8, 16, 32), depths=(1, 1, 2),
                  mlp_ratios=(2, 2, 2), num_heads=4)),
    neck=dict(
        type='MultiScaleDecoder', in_channels=32, stage_channels=(8, 16),
        channels=16, depth=1, num_heads=2, grid=(2, 2), out_channels=768),
    head=dict(type='MaskedPixelHead'))
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


def write_kill_hook(folder: Path) -> None:
    """Put the module ``kill_hook`` into a folder of configs."""
    (folder / 'kill_hook.py').write_text(KILL_HOOK)


def make_project(folder: Path) -> None:
    """Put twelve images and the hook into a folder."""
    data = folder / 'images'
    data.mkdir()
    random = np.random.RandomState(0)
    for index in range(12):
        pixels = random.randint(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f'{index}.png')
    write_kill_hook(folder)


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


def check_interrupted(config: Path,
                      folder: Path,
                      kills: Sequence[int] = (4, 7),
                      last: int = 9) -> None:
    """Killed twice in mid-epoch and resumed: no difference.

    Weights, optimiser, schedules and logged values are bit-identical to those
    of a training that was left alone.

    Args:
        config: Holds the ``KillHook`` and saves at iteration ``last``.
        folder: For the work directories.
        kills: Iterations in which it dies, after the first checkpoint.
        last: Number of iterations.
    """
    whole = train(config, folder / 'whole')
    assert whole.returncode == 0, whole.stderr[-2000:]
    broken, resume = folder / 'broken', []
    for iteration in kills:
        killed = train(config, broken, *resume, kill_at=iteration)
        assert killed.returncode == -9, killed.stderr[-2000:]
        resume = ['--resume']
    ended = train(config, broken, '--resume')
    assert ended.returncode == 0, ended.stderr[-2000:]
    name = f'iter_{last}.pth'
    assert_same_run(folder / 'whole' / name, broken / name)
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
