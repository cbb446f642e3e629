"""Tiny ExtreMA, 2,000 iterations on the embedded shapes.

Part of `make demo METHOD=extrema`.

Paper    arXiv:2206.04667; a model of this size is ours
Run      python tools/train.py configs/extrema/demo/<this file>
Expect   18.6 % by kNN with seed 0, where random weights have 13.6 %
         (measured here)
Differs  64 pixels in tokens of 8, small projections, and a teacher that
         moves faster, for so few iterations. Crops are drawn for each view
         (Table 4 has that, too) and colours change more: place and colour say
         nothing about the class here
"""
_base_ = [
    '../_base_/extrema_base.py',
    '../../_base_/datasets/shapes_bs32_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(imports=['projects.extrema'], allow_failed_imports=False)

model = dict(
    momentum=0.01,
    backbone=dict(arch='tiny', img_size=64, patch_size=8, drop_path_rate=0.),
    neck=dict(in_channels=64, hid_channels=256, out_channels=64),
    head=dict(
        predictor=dict(in_channels=64, hid_channels=256, out_channels=64)))
data_preprocessor = dict(type='SelfSupDataPreprocessor')

train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(
        type='MultiView',
        num_views=2,
        transforms=[[
            dict(
                type='RandomResizedCrop',
                scale=64,
                crop_ratio_range=(0.6, 1.0)),
            dict(type='RandomFlip', prob=0.5),
            dict(
                type='RandomApply',
                prob=0.8,
                transforms=[
                    dict(
                        type='ColorJitter',
                        brightness=0.6,
                        contrast=0.6,
                        saturation=0.6,
                        hue=0.5)
                ]),
            dict(
                type='RandomGrayscale',
                prob=0.2,
                keep_channels=True,
                channel_weights=(0.114, 0.587, 0.299))
        ]]),
    dict(type='PackInputs')
]
train_dataloader = dict(
    collate_fn=dict(type='default_collate'),
    drop_last=True,
    dataset=dict(pipeline=train_pipeline))

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
train_cfg = dict(by_epoch=False, max_iters=2000, val_interval=1000)
val_cfg = dict(type='KNNValLoop', k=20, temperature=0.07)
test_cfg = dict(type='KNNTestLoop', k=20, temperature=0.07)
custom_hooks = [dict(type='CollapseHook', begin=500)]

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=32)
