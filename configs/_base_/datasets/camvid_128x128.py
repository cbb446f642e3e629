"""CamVid, 11 classes, crops of 128 x 128 at half of the resolution.

`data_root` has images/ and annotations/ with train/ and val/ in each;
docs/datasets.md tells how to get it. Label 11, void, is ignored.
"""
dataset_type = 'CamVidDataset'
data_root = 'data/camvid'
crop_size = (128, 128)
# About the inverse square root of the frequency among the training pictures'
# pixels; the weight of a pixel is 1 on average.
class_weight = [0.9, 0.8, 3.6, 0.6, 1.7, 1.2, 3.3, 3.4, 1.5, 4.6, 6.5]
load_annotations = dict(type='LoadCheckedAnnotations', num_classes=11)

train_pipeline = [
    dict(type='LoadImageFromFile'), load_annotations,
    dict(
        type='RandomResize',
        scale=(256, 192),
        ratio_range=(0.75, 1.5),
        keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 192), keep_ratio=True),
    load_annotations,  # after Resize: the metric is that of the original size
    dict(type='PackSegInputs')
]

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(
            img_path='images/train', seg_map_path='annotations/train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(
            img_path='images/val', seg_map_path='annotations/val'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
