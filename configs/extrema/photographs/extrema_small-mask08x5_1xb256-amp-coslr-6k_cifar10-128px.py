"""ExtreMA-Small, five masks of 80 %, 6,000 iterations on CIFAR-10.

Part of `python tools/photographs.py extrema --size gpu`.

Paper    arXiv:2206.04667
Run      python tools/train.py configs/extrema/photographs/<this file>
Expect   not measured: sized for ten minutes on one recent GPU
Differs  64 tokens, each of 4 x 4 of the original pixels; narrower projections
         and a teacher that moves faster, for so few iterations
"""
_base_ = [
    '../_base_/extrema_base.py',
    '../_base_/cifar10_bs256_128px_color.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.extrema', 'projects.classification'],
    allow_failed_imports=False)

model = dict(
    momentum=0.01,
    backbone=dict(
        arch='small', img_size=128, patch_size=16, drop_path_rate=0.1),
    neck=dict(in_channels=384, hid_channels=1024, out_channels=256),
    head=dict(
        predictor=dict(in_channels=256, hid_channels=1024, out_channels=256)))
data_preprocessor = dict(type='SelfSupDataPreprocessor')

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW', lr=5e-4, betas=(0.9, 0.95), weight_decay=0.1,
        fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0.,
        bias_decay_mult=0.,
        flat_decay_mult=0.,
        custom_keys=dict(cls_token=dict(decay_mult=0.))))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=300),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=300, end=6000)
]
train_cfg = dict(by_epoch=False, max_iters=6000, val_interval=2000)
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
custom_hooks = [dict(type='CollapseHook', begin=1500)]

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=1000, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=256)
