"""UperNet with ConvMAE-Large, 160,000 iterations of 16 images, ADE20K.

Paper    arXiv:2205.03892, Table 7 has the size
Run      bash tools/dist_train.sh configs/convmae/segmentation/<this file> 8
Expect   nothing published
Differs  the recipe of Base, with a head as wide as the last stage
"""
_base_ = './convmae-base_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        arch='large',
        init_cfg=dict(
            checkpoint='work_dirs/convmae_large-no-msd_8xb256-amp-coslr-'
            '800e_in1k/epoch_800.pth')),
    decode_head=dict(in_channels=[384, 768, 1024, 1024], channels=1024),
    auxiliary_head=dict(in_channels=1024))
