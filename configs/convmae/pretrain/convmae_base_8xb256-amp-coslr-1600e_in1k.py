"""ConvMAE-Base, 1600 epochs, ImageNet-1k.

Paper    arXiv:2205.03892, Tables 1 and 6
Run      bash tools/dist_train.sh configs/convmae/pretrain/<this file> 8
Expect   85.0 top-1 fine-tuned, 70.9 by linear probe
         (reported by the paper, not rerun here)
Differs  2048 images a step, as the released model was trained according to its
         authors; the paper says 1024 and the official command has 3072.
         bfloat16 instead of fp16, in which the official runs met NaN losses
"""
_base_ = [
    '../_base_/convmae_base.py',
    '../../_base_/datasets/imagenet_bs256_mim.py',
    '../../_base_/schedules/adamw_coslr-1600e_mim.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.engine'],
    allow_failed_imports=False)

default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=3))
randomness = dict(seed=0)
