"""Mask R-CNN with ConvMAE-Large and FPN, 25 epochs of COCO.

Paper    arXiv:2205.03892, Table 7 for the sizes
Run      bash tools/dist_train.sh configs/convmae/detection/<this file> 8
Expect   no number is published for this size
Differs  as its parent; the place of the global blocks is our choice
"""
_base_ = './mask-rcnn_convmae-base_fpn_8xb4-amp-lsj-25e_coco.py'

model = dict(
    backbone=dict(
        arch='large',
        global_blocks=(0, 7, 14, 22),  # of 23
        init_cfg=dict(checkpoint='work_dirs/convmae_large-no-msd_8xb256-'
                      'amp-coslr-800e_in1k/epoch_800.pth')),
    neck=dict(in_channels=[384, 768, 1024, 1024]))
