"""ConvMAE trained by the real tools: interrupted, and on two processes."""
import numpy as np
import pytest
import torch
from PIL import Image
from trainings import losses, train

CONFIG = """
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
train_dataloader = dict(
    batch_size={batch}, num_workers={workers},
    persistent_workers={workers} > 0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='CustomDataset', data_root='{data}', with_label=False,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=32, backend='pillow',
                 crop_ratio_range=(0.5, 1.0)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs')]))
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


@pytest.fixture
def project(tmp_path):
    """Twelve images and the hook; returns a writer of configs."""
    data = tmp_path / 'images'
    data.mkdir()
    random = np.random.RandomState(0)
    for index in range(12):
        pixels = random.randint(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f'{index}.png')
    (tmp_path / 'kill_hook.py').write_text(KILL_HOOK)

    def write(batch, workers=0, drop_path=0.2):
        text = CONFIG
        for name, value in (('batch', batch), ('workers', workers),
                            ('drop_path', drop_path), ('data', data)):
            text = text.replace(f'{{{name}}}', str(value))
        path = tmp_path / f'config_{batch}_{workers}.py'
        path.write_text(text)
        return path

    return write


def final_state(work_dir):
    return torch.load(work_dir / 'iter_9.pth', weights_only=False)


@pytest.mark.parametrize('workers', [0, 2])
def test_killed_and_resumed_is_bit_identical(project, tmp_path, workers):
    """Killed in mid-epoch (3 steps each), twice, and resumed."""
    config = project(batch=4, workers=workers)
    whole = train(config, tmp_path / 'whole')
    assert whole.returncode == 0, whole.stderr[-2000:]
    broken = tmp_path / 'broken'
    assert train(config, broken, kill_at=4).returncode == -9
    assert train(config, broken, '--resume', kill_at=7).returncode == -9
    last = train(config, broken, '--resume')
    assert last.returncode == 0, last.stderr[-2000:]

    ours, unbroken = final_state(broken), final_state(tmp_path / 'whole')
    for name, value in unbroken['state_dict'].items():
        assert torch.equal(ours['state_dict'][name], value), name
    moments = unbroken['optimizer']['state']
    for index, state in moments.items():
        for name, value in state.items():
            assert torch.equal(ours['optimizer']['state'][index][name],
                               value), (index, name)  # yapf: disable
    assert losses(broken) == losses(tmp_path / 'whole')


def test_two_processes_give_the_losses_of_one(project, tmp_path):
    """Same global batch: same crops, same masks, averaged losses.

    Stochastic depth is off: each process draws its own.
    """
    one = train(project(batch=4, drop_path=0), tmp_path / 'one')
    assert one.returncode == 0, one.stderr[-2000:]
    two = train(project(batch=2, drop_path=0), tmp_path / 'two', processes=2)
    assert two.returncode == 0, two.stderr[-2000:]
    ours, single = losses(tmp_path / 'two'), losses(tmp_path / 'one')
    assert ours.keys() == single.keys() == set(range(1, 10))
    for step, value in single.items():
        assert ours[step] == pytest.approx(value, rel=1e-4), step
