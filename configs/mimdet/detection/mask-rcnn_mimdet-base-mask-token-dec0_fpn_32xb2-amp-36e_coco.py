"""MIMDet-Base with the mask token and no decoder layer.

What was sampled is projected and put back among mask tokens, with positions
and a norm.

Paper    arXiv:2204.02964, section 3.1; between Tables 7 and 8
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   no number is published for this setting
Differs  as its parent
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(backbone=dict(decoder=dict(fill='mask_token', depth=0)))
