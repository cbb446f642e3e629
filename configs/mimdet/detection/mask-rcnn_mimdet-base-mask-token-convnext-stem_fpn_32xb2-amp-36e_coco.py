"""MIMDet-Base with the mask token and a ConvNeXt stem, from scratch.

Paper    arXiv:2204.02964, Table 5
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   51.3 box AP, 45.8 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent; how the second stage becomes tokens is ours
         (see ConvNeXtStem)
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    backbone=dict(
        stem=dict(type='ConvNeXtStem'), decoder=dict(fill='mask_token')))
