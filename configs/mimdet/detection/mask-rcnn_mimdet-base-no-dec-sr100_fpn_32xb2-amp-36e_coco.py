"""MIMDet-Base without decoder: the encoder sees all tokens.

Paper    arXiv:2204.02964, section 3.1; between Tables 7 and 8
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   no number is published for this setting
Differs  as its parent
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    backbone=dict(sample_ratio=1., decoder=None),
    neck=dict(in_channels=[192, 384, 768, 768]))
