"""ConvMAE-Small, 6,000 iterations on CIFAR-10 of 128 pixels.

Part of `python tools/photographs.py cifar10 --size gpu`.

Paper    arXiv:2205.03892
Run      python tools/train.py configs/convmae/photographs/<this file>
Expect   not measured: sized for ten minutes on one recent GPU
Differs  64 tokens, each of 4 x 4 of the original pixels; a decoder of two
         blocks of 256 channels
"""
_base_ = [
    '../_base_/convmae_base.py',
    '../../_base_/datasets/cifar10_bs256_128px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.classification'],
    allow_failed_imports=False)

model = dict(
    backbone=dict(arch='small', img_size=128),
    neck=dict(
        in_channels=384,
        stage_channels=(128, 256),
        channels=256,
        depth=2,
        num_heads=8,
        grid=(8, 8)))
data_preprocessor = dict(type='SelfSupDataPreprocessor')

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW',
        lr=1e-3,
        betas=(0.9, 0.95),
        weight_decay=0.05,
        fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0., bias_decay_mult=0., flat_decay_mult=0.))
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

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=1000, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=256)
