"""MIMDet-Base with the mask token, trained on 12.5 % of the tokens.

Paper    arXiv:2204.02964, Table 1
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   47.6 box AP, 43.0 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    backbone=dict(sample_ratio=0.125, decoder=dict(fill='mask_token')))
