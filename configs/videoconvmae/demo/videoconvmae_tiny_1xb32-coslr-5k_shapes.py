"""Tiny VideoConvMAE, 5,000 iterations on the embedded clips.

Part of `make demo METHOD=video`.

Paper    arXiv:2205.03892, section 2.4; a model of this size is ours
Run      python tools/train.py configs/videoconvmae/demo/<this file>
Expect   a loss of 0.15 at the end (seed 0, measured here)
Differs  8 frames of 64 pixels, of which 50 % are hidden: 90 % would leave one
         or two tubes. Plain pixels as target (most cubes here are flat, and
         normalising makes noise of those). Shorter trainings learn colours
         and no motion: what helps fine-tuning comes after some 2,000
         iterations
"""
_base_ = [
    '../_base_/videoconvmae_base.py',
    '../../_base_/datasets/shapes-video_bs32_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.videoconvmae', 'projects.video'],
    allow_failed_imports=False)

model = dict(
    masking=dict(ratio=0.5),
    backbone=dict(
        arch=dict(
            _delete_=True,  # the base names one
            channels=(16, 32, 64),
            depths=(1, 1, 2),
            mlp_ratios=(4, 4, 4),
            num_heads=4),
        img_size=64,
        num_frames=8),
    neck=dict(
        in_channels=64,
        stage_channels=(16, 32),
        channels=64,
        depth=1,
        num_heads=4,
        grid=(4, 4, 4)),
    head=dict(norm_pix=False, pixel_mean=None, pixel_std=None))

optim_wrapper = dict(
    optimizer=dict(
        type='AdamW',
        lr=2e-3,
        betas=(0.9, 0.95),
        weight_decay=0.05,
        fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0., bias_decay_mult=0., flat_decay_mult=0.))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=5000)
]
train_cfg = dict(by_epoch=False, max_iters=5000)
val_dataloader = val_evaluator = None
test_dataloader = test_evaluator = None

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=1000, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=32)
