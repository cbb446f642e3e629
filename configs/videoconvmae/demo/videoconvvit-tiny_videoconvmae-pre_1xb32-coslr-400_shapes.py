"""Tiny VideoConvMAE fine-tuned for 400 iterations on the embedded clips.

Part of `make demo METHOD=video`.

Paper    arXiv:2205.03892, section 2.4; a model of this size is ours
Run      python tools/train.py configs/videoconvmae/demo/<this file>
Expect   13.5 % from random weights, 46.0 % from pretrained ones (seed 0,
         measured here; chance 12.5 %)
Differs  one learning rate for all layers, light augmentation and a classifier
         that starts larger: with so few iterations the random weights,
         trained by the same recipe, need them
"""
_base_ = [
    '../_base_/videoconvvit-base_finetune.py',
    '../../_base_/datasets/shapes-video_bs32_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.videoconvmae', 'projects.video'],
    allow_failed_imports=False)

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,  # the base names one
            channels=(16, 32, 64),
            depths=(1, 1, 2),
            mlp_ratios=(4, 4, 4),
            num_heads=4),
        img_size=64,
        num_frames=8,
        drop_path_rate=0.,
        init_cfg=dict(
            checkpoint='work_dirs/videoconvmae_tiny_1xb32-coslr-5k_shapes/'
            'iter_5000.pth')),
    neck=dict(channels=64),
    head=dict(
        num_classes=8,
        in_channels=64,
        loss=dict(_delete_=True, type='CrossEntropyLoss'),
        init_cfg=dict(std=0.02)),
    train_cfg=None)

optim_wrapper = dict(
    optimizer=dict(
        type='AdamW',
        lr=1e-3,
        betas=(0.9, 0.999),
        weight_decay=0.05,
        fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0., bias_decay_mult=0., flat_decay_mult=0.))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=400)
]
train_cfg = dict(by_epoch=False, max_iters=400, val_interval=400)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=400, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=32)
