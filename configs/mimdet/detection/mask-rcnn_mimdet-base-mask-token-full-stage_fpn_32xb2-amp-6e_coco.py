"""MIMDet-Base with the mask token, 6 epochs more with all tokens.

The second stage after mask-rcnn_mimdet-base-mask-token, from its last
checkpoint.

Paper    arXiv:2204.02964, Table 2
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   51.4 box AP, 46.0 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent; the rate, constant at the last one of the first stage,
         is ours: the paper gives none
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

load_from = ('work_dirs/mask-rcnn_mimdet-base-mask-token_fpn_32xb2-amp-36e_'
             'coco/iter_67500.pth')
model = dict(
    backbone=dict(
        sample_ratio=1., decoder=dict(fill='mask_token'), init_cfg=None))
optim_wrapper = dict(optimizer=dict(lr=8e-7))
param_scheduler = []
train_cfg = dict(max_iters=11250)
