"""Mask R-CNN with ConvMAE-Base* and a simple feature pyramid, 25 epochs.

Paper    arXiv:2205.03892, Table 7 for the sizes
Run      bash tools/dist_train.sh configs/convmae/detection/<this file> 8
Expect   no number is published for this size
Differs  as its parent
"""
_base_ = './mask-rcnn_convmae-base_sfp_8xb2-amp-lsj-25e_coco.py'

model = dict(
    backbone=dict(
        arch='base*',
        init_cfg=dict(checkpoint='work_dirs/convmae_base-star-no-msd_8xb256-'
                      'amp-coslr-800e_in1k/epoch_800.pth')))
