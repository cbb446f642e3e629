"""ConvMAE-Base* fine-tuned for 100 epochs on ImageNet-1k.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2205.03892, Table 8
Run      bash tools/dist_train.sh configs/convmae/finetune/<this file> 8
Expect   84.9 top-1
         (reported by the paper, not rerun here)
Differs  as its parent
"""
_base_ = './convvit-base_convmae-pre_8xb128-amp-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        arch='base*',
        init_cfg=dict(checkpoint='work_dirs/convmae_base-star-no-msd_8xb256-'
                      'amp-coslr-800e_in1k/epoch_800.pth')))
