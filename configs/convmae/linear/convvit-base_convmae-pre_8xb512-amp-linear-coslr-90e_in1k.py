"""Linear probe of ConvMAE-Base, 90 epochs on ImageNet-1k.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2205.03892, Tables 1, 4 and 6
Run      bash tools/dist_train.sh configs/convmae/linear/<this file> 8
Expect   70.9 top-1
         (reported by the paper, not rerun here)
Differs  bfloat16 instead of fp16
"""
_base_ = [
    '../_base_/convvit-base_linear.py',
    '../../_base_/datasets/imagenet_bs512_linear.py',
    '../../_base_/schedules/lars_coslr-90e.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.engine'],
    allow_failed_imports=False)

default_hooks = dict(checkpoint=dict(max_keep_ckpts=3, save_best='auto'))
randomness = dict(seed=0, diff_rank_seed=True)
