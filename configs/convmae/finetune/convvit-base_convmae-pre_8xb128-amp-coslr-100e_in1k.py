"""ConvMAE-Base fine-tuned for 100 epochs on ImageNet-1k.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2205.03892, Tables 1, 4, 5 and 6
Run      bash tools/dist_train.sh configs/convmae/finetune/<this file> 8
Expect   85.0 top-1 (reported by the paper, not rerun here); the released
         weights give 84.98 / 97.15 top-1 / top-5 in the official evaluation
Differs  random erasing comes before the normalisation; bfloat16 instead of
         fp16, in which the official runs met NaN losses
"""
_base_ = [
    '../_base_/convvit-base_finetune.py',
    '../../_base_/datasets/imagenet_bs128_finetune.py',
    '../../_base_/schedules/adamw_coslr-100e_layer-decay.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.engine'],
    allow_failed_imports=False)

default_hooks = dict(checkpoint=dict(max_keep_ckpts=3, save_best='auto'))
randomness = dict(seed=0, diff_rank_seed=True)
