"""Trainings by the real tools: interrupted, resumed, on several processes."""
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from same_run import assert_same_run
from trainings import losses, train

# A tiny ConvMAE.
CONVMAE = """
custom_imports = dict(imports=['projects.convmae', 'faults'],
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
custom_hooks = [dict(type='FaultHook')]
randomness = dict(seed=3)
"""


def make_project(folder: Path) -> None:
    """Put twelve images into a folder."""
    data = folder / 'images'
    data.mkdir()
    random = np.random.RandomState(0)
    for index in range(12):
        pixels = random.randint(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f'{index}.png')


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
                      faults: Sequence[str] = ('kill_at=4', 'kill_at=7'),
                      last: str = 'iter_9.pth',
                      processes: int = 1) -> None:
    """Killed and resumed several times: no difference.

    Weights, optimiser, schedules, averages, random states and logged values,
    those of validations too, are bit-identical to those of a training that
    was left alone.

    Args:
        config: Its first custom hook is the ``FaultHook``.
        folder: For the work directories.
        faults: What happens to the run, and to those that resume it; the
            first after a checkpoint.
        last: Name of the last checkpoint.
        processes: Number of gloo processes; the first one is killed.
    """

    def run(name: str, *args: str) -> subprocess.CompletedProcess:
        return train(config, folder / name, *args, processes=processes)

    whole = run('whole')
    assert whole.returncode == 0, whole.stderr[-2000:]
    broken, resume = folder / 'broken', []
    for fault in faults:
        killed = run('broken', *resume, '--cfg-options',
                     f'custom_hooks.0.{fault}')
        check_killed(killed, fault, processes)
        # in the middle of a checkpoint, and only there, a part is left
        assert any(broken.glob('*.unfinished')) == ('save' in fault), fault
        resume = ['--resume']
    ended = run('broken', '--resume')
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert_same_run(folder / 'whole' / last, broken / last)
    assert losses(broken) == losses(folder / 'whole')


def check_killed(done: subprocess.CompletedProcess, fault: str,
                 processes: int) -> None:
    """It was that signal that ended a run; torchrun reports the first."""
    number = signal.SIGXFSZ if 'save' in fault else signal.SIGKILL
    if processes == 1:
        assert done.returncode == -number, done.stderr[-2000:]
    else:
        assert done.returncode != 0
        assert f'exitcode: {-number}' in ' '.join(
            done.stderr.replace(' :', ':').split()), done.stderr[-2000:]


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
