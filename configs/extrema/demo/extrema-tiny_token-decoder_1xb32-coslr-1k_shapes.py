"""A decoder on tiny ExtreMA's frozen tokens, 1,000 iterations on shapes.

Paper    arXiv:2206.04667, appendix E and Figure 4; the method is ours, see
         ../inpainting
Run      python tools/train.py configs/extrema/demo/<this file>
Draw     python tools/visualize_reconstruction.py
         configs/extrema/demo/<this file> CHECKPOINT IMAGES
         --mask-ratio 0.5 0.75 0.8 0.9
Expect   pictures; docs/visualization.md has some
Differs  64 pixels in tokens of 8
"""
_base_ = [
    '../../_base_/datasets/shapes_bs32_64px.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(imports=['projects.extrema'], allow_failed_imports=False)

data_preprocessor = dict(type='SelfSupDataPreprocessor')
model = dict(
    type='MaskedAutoencoder',
    masking=dict(type='RandomTokenMasking', ratio=0.75),
    backbone=dict(
        type='ClassAttentionViT',
        arch='tiny',
        img_size=64,
        patch_size=8,
        token_mode=None,
        frozen_stages=4,  # all
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/extrema_tiny-mask08x5-crops-color_1xb32-'
            'coslr-2k_shapes/iter_2000.pth',
            prefix='backbone.')),
    neck=dict(
        type='TokenDecoder',
        in_channels=64,
        channels=64,
        depth=2,
        num_heads=4,
        grid=(8, 8),
        out_channels=192),  # 8 * 8 pixels * 3 colours
    head=dict(type='MaskedPixelHead', patch_size=8, norm_pix=False))

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
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=1000)
]
train_cfg = dict(by_epoch=False, max_iters=1000)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = dict()

default_hooks = dict(
    logger=dict(interval=25, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=32)
