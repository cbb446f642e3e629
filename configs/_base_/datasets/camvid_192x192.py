"""CamVid, 11 classes, crops of 192 x 192 at the full resolution, for one GPU.

As `camvid_128x128.py` but for the sizes.
"""
_base_ = './camvid_128x128.py'
crop_size = (192, 192)

train_pipeline = [
    dict(type='LoadImageFromFile'), _base_.load_annotations,
    dict(
        type='RandomResize',
        scale=(512, 384),
        ratio_range=(0.5, 1.5),
        keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(512, 384), keep_ratio=True),
    _base_.load_annotations,
    dict(type='PackSegInputs')
]

train_dataloader = dict(
    batch_size=16, num_workers=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=8, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
