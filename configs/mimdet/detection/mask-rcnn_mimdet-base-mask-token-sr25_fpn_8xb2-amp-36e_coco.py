"""MIMDet-Base with the mask token on 8 GPUs, trained on 25 % of the tokens.

Paper    release 1.1.1 of the official code
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   49.9 box AP, 44.6 mask AP
         (reported by the authors, not rerun here)
Differs  as its parent
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(backbone=dict(sample_ratio=0.25, decoder=dict(fill='mask_token')))
optim_wrapper = dict(optimizer=dict(lr=4e-5))
_base_.param_scheduler[0].end = 1877
_base_.param_scheduler[1].milestones = [202500, 247500]
train_cfg = dict(max_iters=270000, val_interval=7500)
default_hooks = dict(checkpoint=dict(interval=7500))
auto_scale_lr = dict(base_batch_size=16)
