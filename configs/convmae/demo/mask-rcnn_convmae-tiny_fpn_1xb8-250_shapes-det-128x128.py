"""Mask R-CNN with the tiny ConvMAE, 250 iterations on the embedded shapes.

Part of `make demo`.

Paper    arXiv:2205.03892, section 3.2; a model of this size is ours
Run      python tools/train.py configs/convmae/demo/<this file>
         without pretraining: --cfg-options model.backbone.init_cfg=None
Expect   box AP 11.4, mask AP 12.1; 8.0 and 9.9 from random weights (seed 0,
         measured here). After 400 iterations there is no difference
Differs  from the COCO recipe with FPN by narrow heads, anchors and a schedule
         that suit small images and 250 iterations on a CPU; attention is
         global everywhere and has no relative positions
"""
_base_ = [
    '../../_base_/models/mask-rcnn_4conv1fc.py',
    '../../_base_/datasets/shapes-instance_128x128.py',
    'mmdet::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.detection'],
    allow_failed_imports=False)

# the mask head sees no region of an image without objects
norm_cfg = dict(type='EmptySafeSyncBN')
proposals = dict(nms_pre=200, max_per_img=100)
model = dict(
    backbone=dict(
        _delete_=True,  # not a ResNet
        type='ConvViT',
        arch='tiny',
        img_size=128,
        pos_trainable=False,
        out_indices=(0, 1, 2, 3),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/convmae_tiny_1xb32-coslr-6k_shapes/'
            'iter_6000.pth',
            prefix='backbone.')),
    neck=dict(
        in_channels=[32, 64, 128, 128], out_channels=64, norm_cfg=norm_cfg),
    rpn_head=dict(
        in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(
            in_channels=64,
            conv_out_channels=64,
            fc_out_channels=256,
            num_classes=8,
            norm_cfg=norm_cfg),
        mask_roi_extractor=dict(out_channels=64),
        mask_head=dict(
            type='SquareImageMaskHead',
            in_channels=64,
            conv_out_channels=64,
            num_classes=8,
            norm_cfg=norm_cfg)),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=proposals,
        rcnn=dict(sampler=dict(num=32))),
    test_cfg=dict(rpn=proposals))

optim_wrapper = dict(
    optimizer=dict(
        type='AdamW',
        lr=1e-3,
        betas=(0.9, 0.999),
        weight_decay=0.05,
        fused=True),
    paramwise_cfg=dict(norm_decay_mult=0.))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=250)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=250, val_interval=250)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(by_epoch=False, interval=250, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=8)
