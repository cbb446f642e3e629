"""UperNet with the tiny ConvMAE, 1,000 iterations on CamVid.

Part of `python tools/photographs.py camvid`.

Paper    arXiv:2205.03892, section 3.3; a model of this size is ours
Run      python tools/train.py configs/convmae/photographs/<this file>
         without pretraining: --cfg-options model.backbone.init_cfg=None
Expect   47.5, 44.3 and 44.3 mIoU with seeds 0, 1 and 2, from random weights
         38.9, 39.4 and 40.2 (measured here, see docs/results.md)
Differs  from the ADE20K recipe by a size, a learning rate and a warm-up that
         suit 1,000 iterations on a CPU, and no relative positions. Sky,
         building and road are three quarters of the pixels, and all that is
         learned in so short a time if every pixel counts the same: a class has
         the inverse square root of its frequency as weight
"""
_base_ = [
    '../../_base_/models/upernet.py',
    '../../_base_/datasets/camvid_128x128.py',
    '../../_base_/schedules/adamw_poly-160k_layer-decay.py',
    '../../_base_/default_runtime_seg.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.segmentation'],
    allow_failed_imports=False)

model = dict(
    data_preprocessor=dict(size=(128, 128), test_cfg=dict(size=(128, 128))),
    backbone=dict(
        type='ConvViT',
        arch='tiny',
        img_size=128,
        out_indices=(0, 1, 2, 3),  # strides 4, 8, 16, 32
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/convmae_tiny_1xb32-coslr-2k_'
            'camvid-128px/iter_2000.pth',
            prefix='backbone.')),
    decode_head=dict(
        in_channels=[32, 64, 128, 128],
        channels=32,
        num_classes=11,
        loss_decode=dict(class_weight=_base_.class_weight)),
    auxiliary_head=dict(
        in_channels=128,
        channels=32,
        num_classes=11,
        loss_decode=dict(class_weight=_base_.class_weight)),
    test_cfg=dict(crop_size=(128, 128), stride=(64, 64)))

optim_wrapper = dict(
    type='OptimWrapper',
    _delete_=True,  # float32
    optimizer=dict(
        type='AdamW', lr=3e-3, betas=(0.9, 0.999), weight_decay=0.05),
    constructor='BackboneLayerDecay',
    paramwise_cfg=dict(layer_decay_rate=0.75, flat_decay_mult=0.))
_base_.param_scheduler[0].end = 1001
_base_.param_scheduler[1].end = 101
train_cfg = dict(max_iters=1000, val_interval=1000)
default_hooks = dict(checkpoint=dict(interval=500))
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=8)
