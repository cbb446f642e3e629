"""ExtreMA-Base, five masks of 80 %, colour, 300 epochs, ImageNet-1k.

Paper    arXiv:2206.04667; README of the official code
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   83.7 top-1 fine-tuned, 73.3 by linear probe (reported by the authors
         with the released weights, not rerun here)
Differs  bfloat16 instead of fp16 with a scaled loss
"""
_base_ = [
    '../_base_/extrema_base.py',
    '../_base_/imagenet_bs256_color.py',
    '../_base_/adamw_coslr-300e.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.extrema', 'projects.engine'],
    allow_failed_imports=False)

custom_hooks = [dict(type='CollapseHook', begin=2500)]  # after 4 epochs
default_hooks = dict(checkpoint=dict(interval=5, max_keep_ckpts=3))
randomness = dict(seed=0)
