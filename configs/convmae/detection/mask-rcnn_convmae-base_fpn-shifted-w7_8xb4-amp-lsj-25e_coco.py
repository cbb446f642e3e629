"""Mask R-CNN with ConvMAE-Base and FPN, windows as the paper describes them.

The paper speaks of 7 x 7 windows, alternately shifted; the official code has
16 x 16 windows that are never shifted, as the parent of this config.

Paper    arXiv:2205.03892, section 2.3
Run      bash tools/dist_train.sh configs/convmae/detection/<this file> 8
Expect   no number is published for these windows
Differs  as its parent
"""
_base_ = './mask-rcnn_convmae-base_fpn_8xb4-amp-lsj-25e_coco.py'

model = dict(backbone=dict(window_size=7, shift_windows=True))
