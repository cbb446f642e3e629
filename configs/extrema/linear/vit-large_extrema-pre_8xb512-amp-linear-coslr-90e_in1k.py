"""Linear probe of ExtreMA-Large, 90 epochs on ImageNet-1k, SGD.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2206.04667, appendix D
Run      bash tools/dist_train.sh configs/extrema/linear/<this file> 8
Expect   no number is published
Differs  as its parent
"""
_base_ = './vit-base_extrema-pre_8xb512-amp-linear-coslr-90e_in1k.py'

model = dict(
    backbone=dict(
        arch='large',
        frozen_stages=24,
        init_cfg=dict(checkpoint='work_dirs/extrema_large-mask08x5-color_'
                      '8xb256-amp-coslr-300e_in1k/epoch_300.pth')),
    neck=dict(input_features=1024),
    head=dict(in_channels=1024))
