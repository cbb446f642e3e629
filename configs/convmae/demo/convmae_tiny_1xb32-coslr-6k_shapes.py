"""Tiny ConvMAE, 6,000 iterations on the embedded shapes.

Part of `make demo`; a minute's work for every 1,000 iterations on two cores.

Paper    arXiv:2205.03892; a model of this size is ours
Run      python tools/train.py configs/convmae/demo/<this file>
Expect   27.3, 25.6 and 25.9 % by kNN with seeds 0, 1 and 2, where random
         weights have 15.3, 13.9 and 14.4 % (measured here)
Differs  64 pixels, plain pixels as target (most patches here are flat, and
         normalising makes noise of those)
"""
_base_ = [
    '../_base_/convmae_base.py',
    '../../_base_/datasets/shapes_bs32_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(imports=['projects.convmae'], allow_failed_imports=False)

model = dict(
    masking=dict(ratio=0.75),
    backbone=dict(arch='tiny', img_size=64),
    neck=dict(
        in_channels=128,
        stage_channels=(32, 64),
        channels=64,
        depth=1,
        num_heads=4,
        grid=(4, 4)),
    head=dict(norm_pix=False))

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
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=6000)
]
train_cfg = dict(by_epoch=False, max_iters=6000, val_interval=1500)
val_cfg = dict(type='KNNValLoop', k=20, temperature=0.07)
test_cfg = dict(type='KNNTestLoop', k=20, temperature=0.07)

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=32)
