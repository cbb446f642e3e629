"""Linear probe of the tiny ConvMAE on CIFAR-10, 500 labels a class.

Part of `python tools/photographs.py cifar10`. The frozen features are
computed once, without augmentation; every step takes those of all images.

Paper    arXiv:2205.03892; a model of this size is ours
Run      python tools/train.py configs/convmae/photographs/<this file>
Expect   45.6, 45.7 and 45.7 % with seeds 0, 1 and 2, from random weights 34.9,
         34.5 and 35.1 % (measured here, see docs/results.md)
Differs  AdamW on all images at once instead of LARS on augmented batches of
         thousands: this solves the probe to its end in seconds
"""
_base_ = [
    '../_base_/convvit-base_linear.py',
    '../../_base_/datasets/cifar10_bs64_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.classification'],
    allow_failed_imports=False)

model = dict(
    backbone=dict(
        arch='tiny',
        img_size=64,
        init_cfg=dict(checkpoint='work_dirs/convmae_tiny_1xb64-coslr-4k_'
                      'cifar10-64px/iter_4000.pth')),
    neck=dict(channels=128),
    head=dict(num_classes=10, in_channels=128))

train_dataloader = {{_base_.labelled_bank}}

optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=20, end=1000)
]
train_cfg = dict(
    type='FrozenFeatureTrainLoop', max_iters=1000, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=1000, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=100)
