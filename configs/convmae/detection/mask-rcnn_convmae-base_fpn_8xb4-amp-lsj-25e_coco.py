"""Mask R-CNN with ConvMAE-Base and FPN, 25 epochs of COCO.

The recipe of the paper's tables: three maps and a pooled one go to an FPN;
windows of 16 x 16 tokens and global attention in blocks 0, 3, 6 and 10, one
table of relative positions for each kind, frozen absolute positions.

Paper    arXiv:2205.03892, Table 2; official code in its folder DET
Run      bash tools/dist_train.sh configs/convmae/detection/<this file> 8
Expect   53.2 box AP, 47.1 mask AP (reported by the paper, not rerun here)
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
    imports=['projects.convmae', 'projects.detection'],
    allow_failed_imports=False)

# the mask head sees no region of an image without objects
head_norm = dict(type='EmptySafeSyncBN')
model = dict(
    backbone=dict(
        _delete_=True,  # not a ResNet
        type='ConvViT',
        arch='base',
        img_size=1024,
        window_size=16,
        global_blocks=(0, 3, 6, 10),
        rel_pos='shared',
        drop_path_rate=0.1,
        pos_trainable=False,
        out_indices=(0, 1, 2, 3),
        with_cp=True,  # a third of the memory; see the README
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/convmae_base_8xb256-amp-coslr-1600e_in1k/'
            'epoch_1600.pth',
            prefix='backbone.')),
    neck=dict(
        in_channels=[256, 384, 768, 768],
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    roi_head=dict(
        bbox_head=dict(norm_cfg=head_norm),
        mask_head=dict(type='SquareImageMaskHead', norm_cfg=head_norm)))

default_hooks = dict(
    checkpoint=dict(
        by_epoch=False,
        interval=3688,
        save_best='coco/bbox_mAP',
        max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
