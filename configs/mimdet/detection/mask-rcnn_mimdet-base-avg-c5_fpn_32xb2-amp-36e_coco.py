"""MIMDet-Base with mean pooling to stride 32.

Paper    arXiv:2204.02964, section 2.2; the code pools the maximum
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   no number is published for this setting
Differs  as its parent
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(backbone=dict(c5_pool='avg'))
