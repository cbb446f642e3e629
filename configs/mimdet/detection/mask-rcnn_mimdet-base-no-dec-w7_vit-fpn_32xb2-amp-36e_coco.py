"""MIMDet-Base without decoder, in windows, pyramid of the ViT's maps.

Paper    arXiv:2204.02964, Table 8, row 4
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   48.9 box AP, 43.9 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent; no block is global, as the paper names none; the
         pyramid is made like the one of the baseline
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    backbone=dict(window_size=7, sample_ratio=1., decoder=None, pyramid='vit'),
    neck=dict(in_channels=[768, 768, 768, 768]))
