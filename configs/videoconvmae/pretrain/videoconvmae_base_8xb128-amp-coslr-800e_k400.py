"""VideoConvMAE-Base, 800 epochs, Kinetics-400.

Paper    arXiv:2205.03892, sections 2.4 and 3.4, Figure 3
Run      bash tools/dist_train.sh configs/videoconvmae/pretrain/<this file> 8
Expect   82.7 / 95.5 top-1 / top-5 fine-tuned
         (reported by the authors, not rerun here)
Differs  no code or configuration was released: sizes in time, decoder, target
         and recipe follow VideoMAE, as the project's README lists
"""
_base_ = [
    '../_base_/videoconvmae_base.py',
    '../../_base_/datasets/k400_bs128_mim.py',
    '../../_base_/schedules/adamw_coslr-800e_mim-video.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.videoconvmae', 'projects.video', 'projects.engine'],
    allow_failed_imports=False)

default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=3))
randomness = dict(seed=0)
