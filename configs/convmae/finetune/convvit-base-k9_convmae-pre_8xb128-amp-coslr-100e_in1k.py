"""ConvMAE-Base with 9x9 kernels fine-tuned for 100 epochs.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2205.03892, Table 5
Run      bash tools/dist_train.sh configs/convmae/finetune/<this file> 8
Expect   84.6 top-1
         (reported by the paper, not rerun here)
Differs  as its parent
"""
_base_ = './convvit-base_convmae-pre_8xb128-amp-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        dw_kernel=9,
        init_cfg=dict(checkpoint='work_dirs/convmae_base-no-msd-k9_8xb256-'
                      'amp-coslr-800e_in1k/epoch_800.pth')))
