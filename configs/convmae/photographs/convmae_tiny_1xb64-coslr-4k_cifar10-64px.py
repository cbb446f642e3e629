"""Tiny ConvMAE, 4,000 iterations on CIFAR-10 of 64 pixels.

Part of `python tools/photographs.py cifar10`.

Paper    arXiv:2205.03892; a model of this size is ours
Run      python tools/train.py configs/convmae/photographs/<this file>
Expect   33.7 % by kNN with seed 0 (measured here, see docs/results.md)
Differs  16 tokens, each of 8 x 8 of the original pixels; a decoder of one
         block
"""
_base_ = [
    '../_base_/convmae_base.py',
    '../../_base_/datasets/cifar10_bs64_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.classification'],
    allow_failed_imports=False)

model = dict(
    backbone=dict(arch='tiny', img_size=64),
    neck=dict(
        in_channels=128,
        stage_channels=(32, 64),
        channels=64,
        depth=1,
        num_heads=4,
        grid=(4, 4)))
data_preprocessor = dict(type='SelfSupDataPreprocessor')

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
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=200),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=200, end=4000)
]
train_cfg = dict(by_epoch=False, max_iters=4000, val_interval=2000)
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

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=1000, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=64)
