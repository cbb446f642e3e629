"""ExtreMA-Small fine-tuned for 200 epochs on ImageNet-1k.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2206.04667, appendix D, Table 2
Run      bash tools/dist_train.sh configs/extrema/finetune/<this file> 8
Expect   no number is published
Differs  as its parent
"""
_base_ = './vit-base_extrema-pre_8xb128-amp-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        arch='small',
        init_cfg=dict(checkpoint='work_dirs/extrema_small-mask08x5-color_'
                      '8xb256-amp-coslr-300e_in1k/epoch_300.pth')),
    neck=dict(channels=384),
    head=dict(in_channels=384))
_base_.param_scheduler[1].end = 200
train_cfg = dict(max_epochs=200)
