"""Linear probe of the tiny ExtreMA, 500 iterations on the embedded shapes.

Part of `make demo METHOD=extrema`.

Paper    arXiv:2206.04667; a model of this size is ours
Run      python tools/train.py configs/extrema/demo/<this file>
Expect   17.9 % with seed 0, where random weights have 16.2 %
         (measured here)
Differs  AdamW instead of SGD, whose rate is made for batches of thousands
"""
_base_ = [
    '../_base_/vit-base_linear.py',
    '../../_base_/datasets/shapes_bs32_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(imports=['projects.extrema'], allow_failed_imports=False)

model = dict(
    backbone=dict(
        arch='tiny',
        img_size=64,
        patch_size=8,
        frozen_stages=4,
        init_cfg=dict(
            checkpoint='work_dirs/extrema_tiny-mask08x5-crops-color_1xb32-'
            'coslr-2k_shapes/iter_2000.pth')),
    neck=dict(input_features=64),
    head=dict(num_classes=8, in_channels=64))

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0., fused=True))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=20, end=500)
]
train_cfg = dict(by_epoch=False, max_iters=500, val_interval=500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=32)
