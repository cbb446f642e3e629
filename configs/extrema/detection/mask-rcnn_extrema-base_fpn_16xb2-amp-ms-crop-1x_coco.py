"""Mask R-CNN with ExtreMA's patch encoder and FPN, 12 epochs of COCO.

The authors followed CAE's recipe and took out its class token. Maps after
blocks 4, 6, 8 and 12, without norm, are brought to strides 4, 8, 16 and 32
and go to an FPN; every block attends globally; positions are fixed.

Paper    arXiv:2206.04667, appendix B and Table 1; recipe of lxtGH/CAE at
         d725971
Run      bash tools/dist_train.sh configs/extrema/detection/<this file> 8
         --auto-scale-lr
Expect   47.5 box AP, 42.0 mask AP (reported by the paper, not rerun here)
Differs  learning rate, layer decay and drop path are CAE's: ExtreMA's are
         not published, nor is which encoder was taken (here the student of
         the pretraining with colours, the best that is released).
         bfloat16 instead of fp16, with boxes and region pooling in float32;
         positions are resized once, straight to the grid of the image
"""
_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    '../../_base_/datasets/coco-instance_ms-crop.py',
    '../../_base_/schedules/adamw_steplr-12e_layer-decay.py',
    'mmdet::_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['projects.extrema', 'projects.detection', 'mmseg.models'],
    allow_failed_imports=False)

norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    backbone=dict(
        _delete_=True,  # not a ResNet
        type='ClassAttentionViT',
        arch='base',
        token_mode=None,
        out_indices=(3, 5, 7, 11),
        drop_path_rate=0.2,
        with_cp=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/extrema_base-mask08x5-color_8xb256-amp-'
            'coslr-300e_in1k/epoch_300.pth',
            prefix='backbone.')),
    neck=[
        dict(type='mmseg.Feature2Pyramid', embed_dim=768, norm_cfg=norm_cfg),
        dict(type='FPN', in_channels=[768] * 4, out_channels=256, num_outs=5)
    ],
    rpn_head=dict(type='FullPrecisionRPNHead'),
    roi_head=dict(
        bbox_roi_extractor=dict(type='FullPrecisionRoIExtractor'),
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            norm_cfg=norm_cfg,
            reg_decoded_bbox=True,
            loss_bbox=dict(_delete_=True, type='GIoULoss', loss_weight=10.0)),
        mask_roi_extractor=dict(type='FullPrecisionRoIExtractor')),
    train_cfg=dict(rpn_proposal=dict(max_per_img=2000)))

default_hooks = dict(
    checkpoint=dict(save_best='coco/bbox_mAP', max_keep_ckpts=1))
