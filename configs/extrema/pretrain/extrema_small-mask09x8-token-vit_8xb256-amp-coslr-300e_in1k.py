"""ExtreMA-Small, eight masks of 90 %, ViT's class token, ImageNet-1k.

Paper    arXiv:2206.04667, appendix A, Figure 1
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   fails to converge properly (appendix A; no numbers are published)
Differs  as its parent; details of this token are not published, see the
         backbone
"""
_base_ = './extrema_base-mask08x5_8xb256-amp-coslr-300e_in1k.py'

model = dict(
    masking=dict(ratio=0.9, num_masks=8),
    backbone=dict(arch='small', token_mode='vit'),
    neck=dict(in_channels=384))
