"""A decoder on ExtreMA's frozen patch tokens, to draw inpainting.

ExtreMA has no decoder and does not say how its inpainting was made. Here the
student's patch encoder is frozen, sees a quarter of the tokens, and MAE's
decoder learns to paint the rest.

Paper    arXiv:2206.04667, appendix E and Figure 4; the method is ours
Run      bash tools/dist_train.sh configs/extrema/inpainting/<this file> 8
Draw     python tools/visualize_reconstruction.py
         configs/extrema/inpainting/<this file> CHECKPOINT IMAGES
         --mask-ratio 0.5 0.75 0.8 0.9
Expect   pictures; nothing published to compare with
Differs  decoder, loss and schedule are ours, after MAE
"""
_base_ = [
    '../../_base_/datasets/imagenet_bs256_mim.py',
    '../../_base_/schedules/adamw_coslr-1600e_mim.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(imports=['projects.extrema'], allow_failed_imports=False)

model = dict(
    type='MaskedAutoencoder',
    masking=dict(type='RandomTokenMasking', ratio=0.75),
    backbone=dict(
        type='ClassAttentionViT',
        arch='base',
        token_mode=None,
        frozen_stages=12,  # all
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/extrema_base-mask08x5-color_8xb256-amp-'
            'coslr-300e_in1k/epoch_300.pth',
            prefix='backbone.')),
    neck=dict(
        type='TokenDecoder',
        in_channels=768,
        channels=512,
        depth=8,
        num_heads=16,
        grid=(14, 14),
        out_channels=768),  # 16 * 16 pixels * 3 colours
    head=dict(type='MaskedPixelHead', patch_size=16, norm_pix=False))

_base_.param_scheduler[0].end = 5
_base_.param_scheduler[1].update(begin=5, end=100)
train_cfg = dict(max_epochs=100)
val_cfg = None
val_dataloader = None
val_evaluator = None
