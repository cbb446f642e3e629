"""MIMDet-Base with the mask token, trained on 100 % of the tokens.

Paper    arXiv:2204.02964, Table 1
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   51.8 box AP, 46.2 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(backbone=dict(sample_ratio=1.0, decoder=dict(fill='mask_token')))
