"""MIMDet-Base with the mask token, 8 samples of 50 % merged at test.

Trained as mask-rcnn_mimdet-base-mask-token: its checkpoint is tested.

Paper    arXiv:2204.02964, Table 4
Run      bash tools/dist_test.sh configs/mimdet/detection/<this file> FILE 8
Expect   51.0 box AP, 45.2 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent; how passes are merged is ours (see MultiPassMaskRCNN)
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    type='MultiPassMaskRCNN',
    num_passes=8,
    backbone=dict(test_sample_ratio=0.5, decoder=dict(fill='mask_token')))
