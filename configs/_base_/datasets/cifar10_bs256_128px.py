"""CIFAR-10 in class folders, enlarged to 128 x 128, for one GPU.

As `cifar10_bs64_64px.py` but for the sizes.
"""
_base_ = './cifar10_bs64_64px.py'

train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(
        type='RandomResizedCrop',
        scale=128,
        crop_ratio_range=(0.2, 1.0),
        interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs')
]
test_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='ResizeEdge', scale=128, edge='short', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=128),
    dict(type='PackInputs')
]

train_dataloader = dict(
    batch_size=256, num_workers=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=256, num_workers=8, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
labelled_bank = dict(
    batch_size=256, num_workers=8, dataset=dict(pipeline=test_pipeline))
