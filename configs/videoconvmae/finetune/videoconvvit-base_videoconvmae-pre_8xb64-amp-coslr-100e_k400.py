"""VideoConvMAE-Base fine-tuned for 100 epochs on Kinetics-400.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>. tools/test.py
averages 5 clips x 3 crops of each video.

Paper    arXiv:2205.03892, section 3.4
Run      bash tools/dist_train.sh configs/videoconvmae/finetune/<this file> 8
Expect   82.7 / 95.5 top-1 / top-5 (reported by the authors, not rerun here)
Differs  no code or configuration was released: the recipe is VideoMAE's with
         ConvMAE's grouping of layers, as the project's README lists
"""
_base_ = [
    '../_base_/videoconvvit-base_finetune.py',
    '../../_base_/datasets/k400_bs64_finetune.py',
    '../../_base_/schedules/adamw_coslr-100e_layer-decay.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.videoconvmae', 'projects.video', 'projects.engine'],
    allow_failed_imports=False)

# 2e-3, 1e-3 per 256 clips, is the learning rate of the schedule
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
_base_.param_scheduler[1].eta_min_ratio = 1e-3  # 2e-6, 1e-6 per 256 clips
auto_scale_lr = dict(base_batch_size=512)

default_hooks = dict(checkpoint=dict(max_keep_ckpts=3, save_best='auto'))
randomness = dict(seed=0, diff_rank_seed=True)
