"""ImageNet-1k for ExtreMA with spatially consistent colour augmentation.

Crop and flip are drawn once; colour jitter and grayscale are drawn for each
of the two views, of which the student gets the first.
"""
_base_ = './imagenet_bs256.py'

train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(
        type='FastResizedCrop',
        scale=224,
        crop_ratio_range=(0.2, 1.0),
        interpolation='bilinear'),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='MultiView',
        num_views=2,
        transforms=[[
            dict(
                type='RandomApply',
                prob=0.8,
                transforms=[
                    dict(
                        type='ColorJitter',
                        brightness=0.4,
                        contrast=0.4,
                        saturation=0.2,
                        hue=0.1)
                ]),
            dict(
                type='RandomGrayscale',
                prob=0.2,
                keep_channels=True,
                channel_weights=(0.114, 0.587, 0.299))  # BGR
        ]]),
    dict(type='PackInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
