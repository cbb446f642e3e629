"""Tiny ConvMAE, 2,000 iterations on CamVid's training pictures.

Part of `python tools/photographs.py camvid`.

Paper    arXiv:2205.03892; a model of this size is ours
Run      python tools/train.py configs/convmae/photographs/<this file>
Expect   no number of its own; see docs/results.md
Differs  64 tokens; a decoder of one block
"""
_base_ = [
    '../_base_/convmae_base.py',
    '../../_base_/datasets/camvid_bs32_128px_mim.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(imports=['projects.convmae'], allow_failed_imports=False)

model = dict(
    backbone=dict(arch='tiny', img_size=128),
    neck=dict(
        in_channels=128,
        stage_channels=(32, 64),
        channels=64,
        depth=1,
        num_heads=4,
        grid=(8, 8)))

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
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=2000)
]
train_cfg = dict(by_epoch=False, max_iters=2000)

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=32)
