"""MIMDet-Base with the mask token, 2 samples of 50 % merged at test.

Trained as mask-rcnn_mimdet-base-mask-token: its checkpoint is tested.

Paper    arXiv:2204.02964, Table 4
Run      bash tools/dist_test.sh configs/mimdet/detection/<this file> FILE 8
Expect   50.3 box AP, 44.8 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent; how passes are merged is ours (see MultiPassMaskRCNN)
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    type='MultiPassMaskRCNN',
    num_passes=2,
    backbone=dict(test_sample_ratio=0.5, decoder=dict(fill='mask_token')))
