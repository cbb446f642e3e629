"""MIMDet-Large with the mask token.

Paper    release 1.0.0 of the official code
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   53.3 box AP, 47.5 mask AP
         (reported by the authors, not rerun here)
Differs  as its parent; positions are stored for 224 pixels, as the
         released file has them
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    backbone=dict(
        arch='large',
        img_size=224,
        drop_path_rate=0.4,
        decoder=dict(fill='mask_token'),
        init_cfg=dict(
            checkpoint='work_dirs/mae-mimdet_vit-large-p16_8xb512-amp-'
            'coslr-1600e_in1k/epoch_1600.pth')),
    neck=dict(in_channels=[256, 512, 512, 512]))
optim_wrapper = dict(paramwise_cfg=dict(multiplier=3.5))
