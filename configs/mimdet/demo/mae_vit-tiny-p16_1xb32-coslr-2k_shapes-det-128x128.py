"""MAE of a tiny ViT, 2,000 iterations on the images of the detection shapes.

Part of `make demo METHOD=mimdet`.

Paper    arXiv:2111.06377; a model of this size is ours
Run      python tools/train.py configs/mimdet/demo/<this file>
Expect   a detector of 28.8 box AP on half of the tokens (seed 0, measured
         here); from random weights not measured
Differs  128 pixels, plain pixels as target (most patches here are flat, and
         normalising makes noise of those)
"""
_base_ = [
    'mmpretrain::_base_/models/mae_vit-base-p16.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.mimdet', 'projects.engine'], allow_failed_imports=False)

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,  # not 'b'
            embed_dims=64,
            num_layers=4,
            num_heads=4,
            feedforward_channels=256),
        img_size=128),
    neck=dict(
        num_patches=64,  # of 16 x 16 pixels
        embed_dim=64,
        decoder_embed_dim=64,
        decoder_depth=2,
        decoder_num_heads=4),
    head=dict(norm_pix=False))
data_preprocessor = dict(
    type='SelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True)

train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmpretrain.CustomDataset',
        data_root='data/shapes/det/train',
        with_label=False,
        pipeline=[
            dict(type='LoadCheckedImage'),
            dict(
                type='RandomResizedCrop',
                scale=128,
                crop_ratio_range=(0.5, 1.0)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs')
        ]))

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
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=2000)
]
train_cfg = dict(by_epoch=False, max_iters=2000)

default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=32)
