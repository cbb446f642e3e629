"""FastConvMAE-Base: four complementary masks of each image, 50 epochs.

Paper    none; recipe of Alpha-VL/FastConvMAE at 0039734
Run      bash tools/dist_train.sh configs/convmae/pretrain/<this file> 8
Expect   84.4 top-1 fine-tuned
         (reported by its README, not rerun here)
Differs  bfloat16 instead of fp16, in which the official runs met NaN losses
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

model = dict(masking=dict(type='DisjointTokenMasking', num_masks=4))
train_dataloader = dict(batch_size=64)

_base_.param_scheduler[0].end = 10
_base_.param_scheduler[1].begin = 10
_base_.param_scheduler[1].end = 50
train_cfg = dict(max_epochs=50)
# the 1.2e-3 of the schedule is 6e-4 per 256 images here
auto_scale_lr = dict(base_batch_size=512)

default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=3))
randomness = dict(seed=0)
