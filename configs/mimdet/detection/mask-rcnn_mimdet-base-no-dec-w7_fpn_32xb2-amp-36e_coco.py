"""MIMDet-Base without decoder, attention in 7 x 7 windows.

Paper    arXiv:2204.02964, Table 8, row 3
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   49.5 box AP, 44.5 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent; no block is global, as the paper names none
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    backbone=dict(window_size=7, sample_ratio=1., decoder=None),
    neck=dict(in_channels=[192, 384, 768, 768]))
