"""Benchmarking-ViT-Base, the baseline of MIMDet: Mask R-CNN, 100 epochs.

A plain ViT with windows of 16 x 16 tokens, global attention in every third
block, and relative positions; its four maps become a pyramid.

Paper    arXiv:2204.02964, Table 9; the method is of arXiv:2111.11429
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
         on each of 4 machines (NNODES=4, NODE_RANK, MASTER_ADDR), or on one
         with --cfg-options optim_wrapper.accumulative_counts=4 and four
         times the iterations (docs/distributed.md)
Expect   50.4 box AP, 44.9 mask AP (reported by the paper, not rerun here)
Differs  bfloat16 instead of fp16, with boxes and region pooling in float32;
         masks are bitmaps instead of polygons; images are decoded by OpenCV
"""
_base_ = [
    '../../_base_/models/mask-rcnn_4conv1fc.py',
    '../../_base_/datasets/coco-instance_lsj-1024.py',
    '../../_base_/schedules/adamw_coslr-25e_lsj.py',
    'mmdet::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.mimdet', 'projects.detection'],
    allow_failed_imports=False)

# the mask head sees no region of an image without objects
head_norm = dict(type='EmptySafeSyncBN')
model = dict(
    backbone=dict(
        _delete_=True,  # not a ResNet
        type='BenchmarkingViT',
        arch='base',
        img_size=1024,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/mae-mimdet_vit-base-p16_8xb512-amp-coslr-'
            '1600e_in1k/epoch_1600.pth')),
    neck=dict(
        in_channels=[768, 768, 768, 768],
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    roi_head=dict(
        bbox_head=dict(norm_cfg=head_norm),
        mask_head=dict(type='SquareImageMaskHead', norm_cfg=head_norm)))

# 64 images a step
train_dataloader = dict(batch_size=2)
auto_scale_lr = dict(base_batch_size=64)
_base_.param_scheduler[0].end = 184375
train_cfg = dict(max_iters=184375, val_interval=1844)
default_hooks = dict(
    checkpoint=dict(
        by_epoch=False,
        interval=1844,
        save_best='coco/bbox_mAP',
        max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
