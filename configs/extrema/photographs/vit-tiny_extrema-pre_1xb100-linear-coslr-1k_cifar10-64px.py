"""Linear probe of tiny ExtreMA on CIFAR-10, 500 labels a class.

Part of `python tools/photographs.py extrema`.

Paper    arXiv:2206.04667; a model of this size is ours
Run      python tools/train.py configs/extrema/photographs/<this file>
Expect   41.4 % with seed 0, from random weights 37.9 % (measured here, see
         docs/results.md)
Differs  frozen features are computed once, and every step takes those of all
         images; AdamW instead of SGD
"""
_base_ = [
    '../_base_/vit-base_linear.py',
    '../../_base_/datasets/cifar10_bs64_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.extrema', 'projects.classification'],
    allow_failed_imports=False)

model = dict(
    backbone=dict(
        arch='tiny',
        img_size=64,
        patch_size=8,
        frozen_stages=4,
        init_cfg=dict(
            checkpoint='work_dirs/extrema_tiny-mask08x5_1xb64-coslr-2k_'
            'cifar10-64px/iter_2000.pth')),
    neck=dict(input_features=64),
    head=dict(num_classes=10, in_channels=64))

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
