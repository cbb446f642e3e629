"""Linear probe of ConvMAE-Small, 90 epochs on ImageNet-1k.

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
        arch='small',
        init_cfg=dict(checkpoint='work_dirs/convmae_small-no-msd_8xb256-'
                      'amp-coslr-800e_in1k/epoch_800.pth')),
    neck=dict(channels=384),
    head=dict(in_channels=384))
