"""UperNet with the tiny ConvMAE, 450 iterations on the embedded shapes.

Paper    arXiv:2205.03892, section 3.3; a model of this size is ours
Run      python tools/train.py configs/convmae/demo/<this file>
         without pretraining: --cfg-options model.backbone.init_cfg=None
Expect   mIoU 18.0; 15.0 from random weights (seed 0, measured here)
Differs  from the ADE20K recipe by a size, a learning rate and a warm-up that
         suit 450 iterations on a CPU. One rate for all layers: random weights
         are trained by the same recipe. Three quarters of the pixels are
         background, which would be all that is learned in so short a time if
         it had the weight of the others
"""
_base_ = [
    '../../_base_/models/upernet.py',
    '../../_base_/datasets/shapes-seg_128x128.py',
    '../../_base_/schedules/adamw_poly-160k_layer-decay.py',
    '../../_base_/default_runtime_seg.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.segmentation'],
    allow_failed_imports=False)

class_weight = [1.0] * 8 + [0.2]  # the last is the background
model = dict(
    data_preprocessor=dict(size=(128, 128), test_cfg=dict(size=(128, 128))),
    backbone=dict(
        type='ConvViT',
        arch='tiny',
        img_size=128,
        drop_path_rate=0.1,
        attn_eps=1e-5,
        rel_pos='per_block',
        layer_scale=1.0,
        down4='conv',
        out_indices=(0, 1, 2, 3),  # strides 4, 8, 16, 32
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/convmae_tiny_1xb32-coslr-6k_shapes/'
            'iter_6000.pth',
            prefix='backbone.',
            min_coverage=0.7)),  # the rest is the stride-32 convolution
    decode_head=dict(
        in_channels=[32, 64, 128, 128],
        channels=64,
        num_classes=9,
        loss_decode=dict(class_weight=class_weight)),
    auxiliary_head=dict(
        in_channels=128,
        channels=32,
        num_classes=9,
        loss_decode=dict(class_weight=class_weight)),
    test_cfg=dict(crop_size=(128, 128), stride=(85, 85)))

optim_wrapper = dict(
    optimizer=dict(lr=1e-3), paramwise_cfg=dict(layer_decay_rate=1.0))
_base_.param_scheduler[0].end = 451
_base_.param_scheduler[1].end = 61
train_cfg = dict(max_iters=450, val_interval=450)
default_hooks = dict(checkpoint=dict(interval=450))
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=8)
