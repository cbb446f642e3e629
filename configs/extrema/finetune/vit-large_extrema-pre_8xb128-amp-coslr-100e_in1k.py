"""ExtreMA-Large fine-tuned on ImageNet-1k.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2206.04667, which has no Large
Run      bash tools/dist_train.sh configs/extrema/finetune/<this file> 8
Expect   no number is published
Differs  as its parent, whose settings are those of Base
"""
_base_ = './vit-base_extrema-pre_8xb128-amp-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        arch='large',
        init_cfg=dict(checkpoint='work_dirs/extrema_large-mask08x5-color_'
                      '8xb256-amp-coslr-300e_in1k/epoch_300.pth')),
    neck=dict(channels=1024),
    head=dict(in_channels=1024))
