"""Linear probe of ConvMAE-Huge, 90 epochs on ImageNet-1k.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    none: the paper probes Base only
Run      bash tools/dist_train.sh configs/convmae/linear/<this file> 8
Expect   no number
Differs  as its parent
"""
_base_ = './convvit-base_convmae-pre_8xb512-amp-linear-coslr-90e_in1k.py'

model = dict(
    backbone=dict(
        arch='huge',
        init_cfg=dict(checkpoint='work_dirs/convmae_huge-no-msd_8xb256-'
                      'amp-coslr-800e_in1k/epoch_800.pth')),
    neck=dict(channels=1280),
    head=dict(in_channels=1280))
