"""MIMDet-Base with the mask token, the setting of all other studies.

Paper    arXiv:2204.02964, Table 6; release 1.0.0
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   51.5 box AP, 46.0 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(backbone=dict(decoder=dict(fill='mask_token')))
