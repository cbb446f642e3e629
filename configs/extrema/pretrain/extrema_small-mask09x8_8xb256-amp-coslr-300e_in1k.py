"""ExtreMA-Small, eight masks of 90 %, class attention, ImageNet-1k.

Paper    arXiv:2206.04667, appendix A, Figure 1
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   works, by the shape of the curves (appendix A; no numbers are
         published)
Differs  as its parent; the augmentation of the figure is not published
"""
_base_ = './extrema_base-mask08x5_8xb256-amp-coslr-300e_in1k.py'

model = dict(
    masking=dict(ratio=0.9, num_masks=8),
    backbone=dict(arch='small'),
    neck=dict(in_channels=384))
