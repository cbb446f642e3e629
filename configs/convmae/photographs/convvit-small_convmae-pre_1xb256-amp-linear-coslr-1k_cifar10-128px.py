"""Linear probe of ConvMAE-Small on CIFAR-10, 500 labels a class.

Part of `python tools/photographs.py cifar10 --size gpu`.

Paper    arXiv:2205.03892
Run      python tools/train.py configs/convmae/photographs/<this file>
Expect   not measured: sized for ten minutes on one recent GPU
Differs  frozen features are computed once, and every step takes those of all
         images; AdamW instead of LARS
"""
_base_ = [
    '../_base_/convvit-base_linear.py',
    '../../_base_/datasets/cifar10_bs256_128px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.classification'],
    allow_failed_imports=False)

model = dict(
    backbone=dict(
        arch='small',
        img_size=128,
        init_cfg=dict(checkpoint='work_dirs/convmae_small_1xb256-amp-coslr-6k_'
                      'cifar10-128px/iter_6000.pth')),
    neck=dict(channels=384),
    head=dict(num_classes=10, in_channels=384))

train_dataloader = {{_base_.labelled_bank}}

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.))
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
auto_scale_lr = dict(base_batch_size=256)
