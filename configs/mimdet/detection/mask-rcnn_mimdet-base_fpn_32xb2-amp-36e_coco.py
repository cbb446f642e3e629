"""MIMDet-Base, Mask R-CNN with FPN, 36 epochs of COCO.

The encoder sees half of the tokens in training and all of them at test. For
another share at test: --cfg-options model.backbone.test_sample_ratio=0.5

Paper    arXiv:2204.02964, Tables 6 and 9
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
         on each of 4 machines (NNODES=4, NODE_RANK, MASTER_ADDR), or on one
         with --cfg-options optim_wrapper.accumulative_counts=4 and four
         times the iterations (docs/distributed.md)
Expect   51.7 box AP, 46.1 mask AP (reported by the paper, not rerun here)
Differs  bfloat16 instead of fp16, with boxes and region pooling in float32;
         the official validation during training sees half of the tokens
"""
_base_ = [
    '../../_base_/models/mask-rcnn_4conv1fc.py',
    '../../_base_/datasets/coco-instance_resize-crop-800.py',
    '../_base_/adamw_steplr-36e.py',
    'mmdet::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.mimdet', 'projects.detection'],
    allow_failed_imports=False)

# the mask head sees no region of an image without objects
head_norm = dict(type='EmptySafeSyncBN')
model = dict(
    # images reach the backbone with their sizes before padding
    data_preprocessor=dict(type='PaddedDetDataPreprocessor'),
    backbone=dict(
        _delete_=True,  # not a ResNet
        type='MIMDetViT',
        arch='base',
        sample_ratio=0.5,
        test_sample_ratio=1.,
        drop_path_rate=0.1,
        with_cp=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/mae-mimdet_vit-base-p16_8xb512-amp-coslr-'
            '1600e_in1k/epoch_1600.pth')),
    neck=dict(
        in_channels=[192, 384, 512, 512],
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    roi_head=dict(
        bbox_head=dict(norm_cfg=head_norm),
        mask_head=dict(norm_cfg=head_norm)))

default_hooks = dict(
    checkpoint=dict(
        by_epoch=False,
        interval=1875,
        save_best='coco/bbox_mAP',
        max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
