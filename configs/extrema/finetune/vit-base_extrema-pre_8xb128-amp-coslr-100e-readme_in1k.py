"""ExtreMA-Base fine-tuned on ImageNet-1k, settings of the README.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2206.04667; README of the official code
Run      bash tools/dist_train.sh configs/extrema/finetune/<this file> 8
Expect   83.7 top-1 (reported by the authors, not rerun here); they do not say
         whether by these settings or by those of the appendix
Differs  random erasing comes before the normalisation; bfloat16 instead of
         fp16
"""
_base_ = './vit-base_extrema-pre_8xb128-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(drop_path_rate=0.2))
optim_wrapper = dict(
    optimizer=dict(lr=2e-3),  # 5e-4 per 256 images
    paramwise_cfg=dict(layer_decay_rate=0.65))
_base_.param_scheduler[1].eta_min_ratio = 5e-4  # 1e-6 of 2e-3
