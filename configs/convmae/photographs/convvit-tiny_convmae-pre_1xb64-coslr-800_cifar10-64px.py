"""Tiny ConvMAE fine-tuned on CIFAR-10 with 500 labels a class.

Part of `python tools/photographs.py cifar10`.

Paper    arXiv:2205.03892; a model of this size is ours
Run      python tools/train.py configs/convmae/photographs/<this file>
         without pretraining: --cfg-options model.backbone.init_cfg=None
Expect   49.4, 49.0 and 48.9 % with seeds 0, 1 and 2, from random weights 44.8,
         44.7 and 46.7 % (measured here, see docs/results.md)
Differs  one learning rate for all layers and light augmentation: with so few
         iterations the random weights, trained by the same recipe, need both
"""
_base_ = [
    '../../_base_/datasets/cifar10_bs64_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.classification'],
    allow_failed_imports=False)

# image -> data preprocessor -> backbone -> neck -> head -> loss
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ConvViT',
        arch='tiny',
        img_size=64,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/convmae_tiny_1xb64-coslr-4k_'
            'cifar10-64px/iter_4000.pth',
            prefix='backbone.')),
    neck=dict(type='TokenPooling', channels=128),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=128,
        loss=dict(type='CrossEntropyLoss')))

train_dataloader = dict(dataset=dict(per_class=500))

optim_wrapper = dict(
    optimizer=dict(
        type='AdamW',
        lr=5e-4,
        betas=(0.9, 0.999),
        weight_decay=0.05,
        fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0., bias_decay_mult=0., flat_decay_mult=0.))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=800)
]
train_cfg = dict(by_epoch=False, max_iters=800, val_interval=800)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=800, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=64)
