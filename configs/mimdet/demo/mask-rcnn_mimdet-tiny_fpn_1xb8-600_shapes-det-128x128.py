"""MIMDet of a tiny ViT, 600 iterations on the embedded shapes.

Part of `make demo METHOD=mimdet`. The encoder sees half of the tokens in
training, and at test as many as model.backbone.test_sample_ratio says.

Paper    arXiv:2204.02964; a model of this size is ours
Run      python tools/train.py configs/mimdet/demo/<this file>
         without pretraining: --cfg-options model.backbone.init_cfg=None
Expect   box / mask AP 28.4 / 27.4 on 25 % of the tokens, 28.8 / 27.5 on 50 %,
         20.7 / 21.3 on all of them (seed 0, measured here)
Differs  from the COCO recipe by narrow heads, anchors and a schedule that suit
         small images and 600 iterations on a CPU
"""
_base_ = [
    '../../_base_/models/mask-rcnn_4conv1fc.py',
    '../../_base_/datasets/shapes-instance_128x128.py',
    'mmdet::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.mimdet', 'projects.detection'],
    allow_failed_imports=False)

# the preprocessor pads, and tells the backbone how much
train_dataloader = dict(
    dataset=dict(
        pipeline=[step for step in _base_.train_pipeline
                  if step.type != 'Pad']))  # yapf: disable
test_pipeline = [step for step in _base_.test_pipeline if step.type != 'Pad']
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# the mask head sees no region of an image without objects
norm_cfg = dict(type='EmptySafeSyncBN')
proposals = dict(nms_pre=200, max_per_img=100)
model = dict(
    data_preprocessor=dict(type='PaddedDetDataPreprocessor'),
    backbone=dict(
        _delete_=True,  # not a ResNet
        type='MIMDetViT',
        arch='tiny',
        img_size=128,
        sample_ratio=0.5,
        test_sample_ratio=1.,
        decoder=dict(channels=64, depth=2, num_heads=4),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/mae_vit-tiny-p16_1xb32-coslr-2k_shapes-det-'
            '128x128/iter_2000.pth')),
    neck=dict(
        in_channels=[16, 32, 64, 64], out_channels=64, norm_cfg=norm_cfg),
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
        lr=5e-4,
        betas=(0.9, 0.999),
        weight_decay=0.05,
        fused=True),
    constructor='MIMDetLearningRates',
    paramwise_cfg=dict(multiplier=2.))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=600)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=600, val_interval=600)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(by_epoch=False, interval=200, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=8)
