"""Tiny ExtreMA fine-tuned on CIFAR-10 with 500 labels a class.

Part of `python tools/photographs.py extrema`.

Paper    arXiv:2206.04667; a model of this size is ours
Run      python tools/train.py configs/extrema/photographs/<this file>
         without pretraining: --cfg-options model.backbone.init_cfg=None
Expect   44.8 % with seed 0, from random weights 42.4 % (measured here, see
         docs/results.md)
Differs  one learning rate for all layers and light augmentation, for the sake
         of the random weights that are trained by the same recipe
"""
_base_ = [
    '../../_base_/datasets/cifar10_bs64_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.extrema', 'projects.classification'],
    allow_failed_imports=False)

# image -> data preprocessor -> backbone -> neck -> head -> loss
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ClassAttentionViT',
        arch='tiny',
        img_size=64,
        patch_size=8,
        token_mode=None,
        drop_path_rate=0.,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/extrema_tiny-mask08x5_1xb64-coslr-2k_'
            'cifar10-64px/iter_2000.pth',
            prefix='backbone.')),  # the student
    neck=dict(type='TokenPooling', channels=64),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=64,
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
