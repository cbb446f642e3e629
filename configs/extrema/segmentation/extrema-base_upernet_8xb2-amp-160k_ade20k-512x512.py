"""UperNet with ExtreMA's patch encoder, 160,000 iterations, ADE20K.

The authors followed CAE's recipe and took out its class token. Maps after
blocks 4, 6, 8 and 12, without norm, are brought to strides 4, 8, 16 and 32;
positions are fixed.

Paper    arXiv:2206.04667, section 4; recipe of lxtGH/CAE at d725971
Run      bash tools/dist_train.sh configs/extrema/segmentation/<this file> 8
Expect   no number is in our sources; 48.1 mIoU is CAE's own (reported by its
         authors, not rerun here)
Differs  learning rate, layer decay and drop path are CAE's, which tunes the
         first in 1e-4, 2e-4, 3e-4: ExtreMA's are not published. No relative
         positions, which the pretraining has not. bfloat16 instead of fp16
"""
_base_ = [
    '../../_base_/models/upernet.py',
    '../../_base_/datasets/ade20k_512x512.py',
    '../../_base_/schedules/adamw_poly-160k_layer-decay.py',
    '../../_base_/default_runtime_seg.py',
]
custom_imports = dict(
    imports=['projects.extrema', 'projects.segmentation'],
    allow_failed_imports=False)

model = dict(
    backbone=dict(
        type='ClassAttentionViT',
        arch='base',
        token_mode=None,
        out_indices=(3, 5, 7, 11),
        drop_path_rate=0.1,
        with_cp=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/extrema_base-mask08x5-color_8xb256-amp-'
            'coslr-300e_in1k/epoch_300.pth',
            prefix='backbone.')),
    neck=dict(type='Feature2Pyramid', embed_dim=768, norm_cfg=_base_.norm_cfg),
    decode_head=dict(in_channels=[768] * 4))

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.65))
