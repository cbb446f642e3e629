"""Mask R-CNN with ConvMAE-Base and a simple feature pyramid, 25 epochs.

The ViTDet recipe: the pyramid is made of the last map; windows of 14 x 14
tokens and global attention in blocks 1, 4, 7 and 10, relative positions of
rows and columns in every block, layer-wise learning-rate decay.

Paper    arXiv:2205.03892; official code in OpenGVLab/Official-ConvMAE-Det
Run      bash tools/dist_train.sh configs/convmae/detection/<this file> 8
Expect   53.9 box AP, 47.6 mask AP (reported by the authors, not rerun here)
Differs  bfloat16 instead of fp16, with boxes and region pooling in float32;
         masks are bitmaps instead of polygons; images are decoded by OpenCV
"""
_base_ = [
    '../../_base_/models/mask-rcnn_4conv1fc.py',
    '../../_base_/datasets/coco-instance_lsj-1024_flip-first.py',
    '../../_base_/schedules/adamw_steplr-25e_layer-decay_lsj.py',
    'mmdet::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.convmae', 'projects.detection'],
    allow_failed_imports=False)

norm_cfg = dict(type='mmpretrain.LN2d', eps=1e-6)
model = dict(
    # every batch is a square of this side, zero after the normalisation
    data_preprocessor=dict(pad_size_divisor=1024),
    backbone=dict(
        _delete_=True,  # not a ResNet
        type='ConvViT',
        arch='base',
        img_size=224,  # of the position embedding, resized at every step
        window_size=14,
        global_blocks=(1, 4, 7, 10),
        rel_pos='decomposed',
        rel_pos_size=1024,  # whose grid they are stored for
        conv_eps=1e-6,
        drop_path_rate=0.1,
        with_cp=True,  # a third of the memory; see the README
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/convmae_base_8xb256-amp-coslr-1600e_in1k/'
            'epoch_1600.pth',
            prefix='backbone.')),
    neck=dict(
        _delete_=True,  # not an FPN
        type='SimpleFeaturePyramid',
        in_channels=768,
        norm_cfg=norm_cfg),
    roi_head=dict(
        bbox_head=dict(norm_cfg=norm_cfg), mask_head=dict(norm_cfg=norm_cfg)))

default_hooks = dict(
    checkpoint=dict(
        by_epoch=False,
        interval=5000,
        save_best='coco/bbox_mAP',
        max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
