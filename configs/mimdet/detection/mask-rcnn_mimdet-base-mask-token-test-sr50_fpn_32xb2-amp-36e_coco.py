"""MIMDet-Base with the mask token, tested on 50 % of the tokens.

Trained as mask-rcnn_mimdet-base-mask-token: its checkpoint is tested.

Paper    arXiv:2204.02964, Tables 1 and 4
Run      bash tools/dist_test.sh configs/mimdet/detection/<this file> FILE 8
Expect   49.5 box AP, 44.3 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent; all images see the same sample, that of a seed
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    backbone=dict(test_sample_ratio=0.5, decoder=dict(fill='mask_token')))
