"""VideoConvMAE-Base fine-tuned for 50 epochs on Something-Something v2.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>. tools/test.py
averages 2 clips x 3 crops of each video.

Paper    arXiv:2205.03892, section 3.4
Run      bash tools/dist_train.sh configs/videoconvmae/finetune/<this file> 8
Expect   70.7 / 93.0 top-1 / top-5 (reported by the authors, not rerun here)
Differs  no code or configuration was released: the recipe is VideoMAE's with
         ConvMAE's grouping of layers, as the project's README lists. 50
         epochs are the paper's, the authors' README says 40
"""
_base_ = [
    '../_base_/videoconvvit-base_finetune.py',
    '../../_base_/datasets/ssv2_bs64_finetune.py',
    '../../_base_/schedules/adamw_coslr-100e_layer-decay.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.videoconvmae', 'projects.video', 'projects.engine'],
    allow_failed_imports=False)

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/videoconvmae_base_8xb128-amp-coslr-800e_'
            'ssv2/epoch_800.pth')),
    head=dict(num_classes=174))

optim_wrapper = dict(
    optimizer=dict(lr=1e-3),  # 5e-4 per 256 clips
    paramwise_cfg=dict(layer_decay_rate=0.75))
_base_.param_scheduler[1].end = 50
_base_.param_scheduler[1].eta_min_ratio = 2e-3  # 2e-6, 1e-6 per 256 clips
train_cfg = dict(max_epochs=50)
auto_scale_lr = dict(base_batch_size=512)

default_hooks = dict(checkpoint=dict(max_keep_ckpts=3, save_best='auto'))
randomness = dict(seed=0, diff_rank_seed=True)
