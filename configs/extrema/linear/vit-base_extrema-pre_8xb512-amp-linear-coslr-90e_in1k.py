"""Linear probe of ExtreMA-Base, 90 epochs on ImageNet-1k, SGD.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2206.04667; README of the official code
Run      bash tools/dist_train.sh configs/extrema/linear/<this file> 8
Expect   73.3 top-1 (reported by the authors, not rerun here)
Differs  bfloat16 instead of fp16
"""
_base_ = [
    '../_base_/vit-base_linear.py',
    '../_base_/imagenet_bs512_linear.py',
    '../../_base_/schedules/lars_coslr-90e.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.extrema', 'projects.engine'],
    allow_failed_imports=False)

optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,  # in place of LARS
        type='SGD',
        lr=1.6,  # 0.1 per 256 images
        momentum=0.9,
        weight_decay=0.))

sync_bn = 'torch'
default_hooks = dict(checkpoint=dict(max_keep_ckpts=3, save_best='auto'))
randomness = dict(seed=0, diff_rank_seed=True)
