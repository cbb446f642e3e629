"""Tiny ExtreMA, five masks of 80 %, 2,000 iterations on CIFAR-10.

Part of `python tools/photographs.py extrema`.

Paper    arXiv:2206.04667; a model of this size is ours
Run      python tools/train.py configs/extrema/photographs/<this file>
Expect   kNN 33.9 %, see docs/results.md
Differs  64 tokens of 8 x 8 pixels, each 4 x 4 of the original; small
         projections, and a teacher that moves faster, for so few iterations
"""
_base_ = [
    '../_base_/extrema_base.py',
    '../_base_/cifar10_bs64_64px_color.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.extrema', 'projects.classification'],
    allow_failed_imports=False)

model = dict(
    momentum=0.01,
    backbone=dict(arch='tiny', img_size=64, patch_size=8, drop_path_rate=0.),
    neck=dict(in_channels=64, hid_channels=256, out_channels=64),
    head=dict(
        predictor=dict(in_channels=64, hid_channels=256, out_channels=64)))
data_preprocessor = dict(type='SelfSupDataPreprocessor')

optim_wrapper = dict(
    optimizer=dict(
        type='AdamW', lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1,
        fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0.,
        bias_decay_mult=0.,
        flat_decay_mult=0.,
        custom_keys=dict(cls_token=dict(decay_mult=0.))))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=2000)
]
train_cfg = dict(by_epoch=False, max_iters=2000, val_interval=2000)
val_cfg = dict(
    type='KNNValLoop',
    k=20,
    temperature=0.07,
    bank_dataloader={{_base_.labelled_bank}})
test_cfg = dict(
    type='KNNTestLoop',
    k=20,
    temperature=0.07,
    bank_dataloader={{_base_.labelled_bank}})
custom_hooks = [dict(type='CollapseHook', begin=500)]

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=1000, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=64)
