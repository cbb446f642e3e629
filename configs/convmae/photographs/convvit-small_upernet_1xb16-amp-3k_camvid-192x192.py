"""UperNet with ConvMAE-Small, 3,000 iterations on CamVid.

Part of `python tools/photographs.py camvid --size gpu`.

Paper    arXiv:2205.03892, section 3.3
Run      python tools/train.py configs/convmae/photographs/<this file>
         without pretraining: --cfg-options model.backbone.init_cfg=None
Expect   not measured: sized for ten minutes on one recent GPU
Differs  from the ADE20K recipe by a size, a learning rate and a warm-up that
         suit 3,000 iterations, no relative positions, and classes weighted
         as on a CPU
"""
_base_ = [
    '../../_base_/models/upernet.py',
    '../../_base_/datasets/camvid_192x192.py',
    '../../_base_/schedules/adamw_poly-160k_layer-decay.py',
    '../../_base_/default_runtime_seg.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.segmentation'],
    allow_failed_imports=False)

model = dict(
    data_preprocessor=dict(size=(192, 192), test_cfg=dict(size=(192, 192))),
    backbone=dict(
        type='ConvViT',
        arch='small',
        img_size=192,
        out_indices=(0, 1, 2, 3),  # strides 4, 8, 16, 32
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/convmae_small_1xb128-amp-coslr-6k_'
            'camvid-192px/iter_6000.pth',
            prefix='backbone.')),
    decode_head=dict(
        in_channels=[128, 256, 384, 384],
        channels=256,
        num_classes=11,
        loss_decode=dict(class_weight=_base_.class_weight)),
    auxiliary_head=dict(
        in_channels=384,
        channels=128,
        num_classes=11,
        loss_decode=dict(class_weight=_base_.class_weight)),
    test_cfg=dict(crop_size=(192, 192), stride=(96, 96)))

optim_wrapper = dict(
    optimizer=dict(lr=3e-4), paramwise_cfg=dict(layer_decay_rate=1.0))
_base_.param_scheduler[0].end = 3001
_base_.param_scheduler[1].end = 301
train_cfg = dict(max_iters=3000, val_interval=3000)
default_hooks = dict(checkpoint=dict(interval=1000))
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=16)
