"""MIMDet-Base with the mask token, trained on a checkerboard of tokens.

Paper    arXiv:2204.02964, Table 3
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   48.7 box AP, 44.0 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent; "grid" is read as this lattice by us
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    backbone=dict(sampling='checkerboard', decoder=dict(fill='mask_token')))
