"""VideoConvMAE trained by the real tools on mp4 files."""
import json
from pathlib import Path

import pytest
import torch
from training_runs import check_interrupted
from trainings import losses, train

from projects.shapes import Recipe, make_dataset

ARCH = """dict(channels=(8, 16, 32), depths=(1, 1, 2), mlp_ratios=(2, 2, 2),
                num_heads=4)"""
COMMON = """
custom_imports = dict(imports=['projects.videoconvmae', 'projects.video'],
                      allow_failed_imports=False)
default_scope = 'mmpretrain'
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, betas=(0.9, 0.95)))
train_cfg = dict(by_epoch=False, max_iters=4)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4))
log_processor = dict(by_epoch=False)
randomness = dict(seed=3)
"""
PRETRAIN = COMMON + """
model = dict(
    type='MaskedAutoencoder',
    data_preprocessor=dict(
        type='ClipDataPreprocessor', mean=[127.5] * 3, std=[60.] * 3),
    masking=dict(type='TubeTokenMasking', ratio=0.75),
    backbone=dict(
        type='VideoConvViT', img_size=32, num_frames=8, pos_trainable=False,
        arch={arch}),
    neck=dict(
        type='MultiScaleDecoder', in_channels=32, stage_channels=(8, 16),
        stage_factors=(((1, 2, 2), (1, 2, 2)), ((1, 2, 2), )),
        channels=16, depth=1, num_heads=2, grid=(4, 2, 2),
        out_channels=1536),
    head=dict(
        type='MaskedPixelHead', patch_size=(2, 16, 16),
        norm_pix='per_channel', pixel_mean=[0.5] * 3, pixel_std=[0.25] * 3))
train_dataloader = dict(
    batch_size={batch}, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ListedVideos', data_root='{data}', ann_file='train.txt',
        pipeline=[
            dict(type='LoadVideoClip',
                 sampler=dict(type='DenseFrames', num_frames=8, stride=2)),
            dict(type='ClipMultiScaleCrop', size=32),
            dict(type='PackClip')]))
"""
FINETUNE = COMMON + """
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='ClipDataPreprocessor', mean=[127.5] * 3, std=[60.] * 3,
        num_classes=8),
    backbone=dict(
        type='VideoConvViT', img_size=32, num_frames=8, arch={arch},
        init_cfg=dict(
            type='Pretrained', checkpoint='{checkpoint}',
            prefix='backbone.')),
    neck=dict(type='TokenPooling', channels=32),
    head=dict(type='LinearClsHead', num_classes=8, in_channels=32),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8),
                             dict(type='CutMix', alpha=1.0)]))
train_dataloader = dict(
    batch_size=4, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ListedVideos', data_root='{data}', ann_file='train.txt',
        num_classes=8,
        pipeline=[
            dict(type='LoadVideoClip',
                 sampler=dict(type='SegmentFrames', num_frames=8)),
            dict(type='ClipMultiScaleCrop', size=32),
            dict(type='PackClip')]))
val_dataloader = dict(
    batch_size=3, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ListedVideos', data_root='{data}', ann_file='val.txt',
        num_classes=8, num_clips=2, num_crops=3,
        pipeline=[
            dict(type='LoadVideoClip',
                 sampler=dict(type='UniformTestFrames', num_frames=8)),
            dict(type='ClipResizeShort', size=32),
            dict(type='ClipViewCrop', size=32),
            dict(type='PackClip')]))
val_evaluator = dict(
    type='MultiViewAccuracy', topk=(1, 5), out_file='{out}')
val_cfg = dict()
train_cfg.update(val_interval=4)
"""
KILLED = """
custom_imports['imports'].append('faults')
custom_hooks = [dict(type='FaultHook')]
train_cfg['max_iters'] = 6
train_dataloader.update(num_workers=2, persistent_workers=True)
default_hooks['checkpoint'].update(interval=2, max_keep_ckpts=2)
"""


@pytest.fixture(scope='module')
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 clips to train on and 8 to test on."""
    folder = tmp_path_factory.mktemp('clips') / 'shapes'
    make_dataset(folder, Recipe('smoke', parts=('video', )), jobs=1)
    return folder / 'video'


def write(path: Path, text: str, **values) -> Path:
    """A config with its placeholders filled in."""
    for name, value in dict(values, arch=ARCH).items():
        text = text.replace(f'{{{name}}}', str(value))
    path.write_text(text)
    return path


def run(config: Path, work_dir: Path, processes: int = 1) -> dict[int, float]:
    """Train; returns the losses."""
    done = train(config, work_dir, processes=processes)
    assert done.returncode == 0, done.stderr[-2000:]
    return losses(work_dir)


def test_pretraining_on_two_processes_then_fine_tuning(clips: Path,
                                                       tmp_path: Path) -> None:
    """Two processes see the clips, crops and tubes that one would see."""
    results = {}
    for count in (1, 2):
        config = write(
            tmp_path / f'{count}.py', PRETRAIN, batch=4 // count, data=clips)
        results[count] = run(config, tmp_path / str(count), count)
    assert results[1].keys() == results[2].keys() == set(range(1, 5))
    for step, value in results[1].items():
        assert results[2][step] == pytest.approx(value, rel=1e-4), step

    checkpoint = tmp_path / '1/iter_4.pth'
    config = write(
        tmp_path / 'finetune.py',
        FINETUNE,
        data=clips,
        checkpoint=checkpoint,
        out=tmp_path / 'predictions.json')
    assert len(run(config, tmp_path / 'finetune')) == 4
    predictions = json.loads((tmp_path / 'predictions.json').read_text())
    assert [video['views'] for video in predictions] == [6] * 8
    # it started from the pretraining, and then learned
    pretrained, tuned = (
        torch.load(path, weights_only=False)['state_dict']
        for path in (checkpoint, tmp_path / 'finetune/iter_4.pth'))
    name = 'backbone.stages.0.blocks.0.dw_conv.weight'
    assert 0 < (pretrained[name] - tuned[name]).abs().max() < 4 * 2.1e-3


def test_killed_and_resumed(clips: Path, tmp_path: Path) -> None:
    """Clips, crops and tubes are those of a run that nobody kills."""
    config = write(
        tmp_path / 'config.py', PRETRAIN + KILLED, batch=4, data=clips)
    check_interrupted(
        config,
        tmp_path, ('kill_at=3', 'kill_in_save_after=5'),
        last='iter_6.pth')
