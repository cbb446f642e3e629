"""ImageNet-1k for ExtreMA: one view, cropped and flipped, for both branches.

Folders as for the base. Crops are bilinear, where masked autoencoders have
bicubic ones.
"""
_base_ = '../../_base_/datasets/imagenet_bs256_mim.py'

train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(
        type='FastResizedCrop',
        scale=224,
        crop_ratio_range=(0.2, 1.0),
        interpolation='bilinear'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
