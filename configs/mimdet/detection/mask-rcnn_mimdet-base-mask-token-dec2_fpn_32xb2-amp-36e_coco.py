"""MIMDet-Base with the mask token and 2 decoder layers.

Paper    arXiv:2204.02964, Table 7
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   50.6 box AP, 45.2 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(backbone=dict(decoder=dict(fill='mask_token', depth=2)))
