"""Small ExtreMA fine-tuned on CIFAR-10 with 500 labels a class.

Part of `python tools/photographs.py extrema --size gpu`.

Paper    arXiv:2206.04667
Run      python tools/train.py configs/extrema/photographs/<this file>
         without pretraining: --cfg-options model.backbone.init_cfg=None
Expect   not measured: sized for ten minutes on one recent GPU
Differs  one learning rate for all layers and light augmentation, for the sake
         of the random weights that are trained by the same recipe
"""
_base_ = [
    '../../_base_/datasets/cifar10_bs256_128px.py',
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
        arch='small',
        img_size=128,
        patch_size=16,
        token_mode=None,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/extrema_small-mask08x5_1xb256-amp-coslr-6k_'
            'cifar10-128px/iter_6000.pth',
            prefix='backbone.')),  # the student
    neck=dict(type='TokenPooling', channels=384),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=384,
        loss=dict(type='CrossEntropyLoss')))

train_dataloader = dict(batch_size=128, dataset=dict(per_class=500))

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW',
        lr=3e-4,
        betas=(0.9, 0.999),
        weight_decay=0.05,
        fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0., bias_decay_mult=0., flat_decay_mult=0.))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=2000)
]
train_cfg = dict(by_epoch=False, max_iters=2000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=2000, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=128)
