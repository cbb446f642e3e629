"""ADE20K (SceneParse150), 512 x 512 crops.

`data_root` is the unpacked ADEChallengeData2016.zip: images/ and annotations/
with training/ and validation/ in each. Label 0, "other", is ignored.
"""
dataset_type = 'ADE20KDataset'
data_root = 'data/ade/ADEChallengeData2016'
crop_size = (512, 512)
load_annotations = dict(type='LoadCheckedAnnotations', num_classes=150)

train_pipeline = [
    dict(type='LoadImageFromFile'), load_annotations,
    dict(
        type='RandomResize',
        scale=(2048, 512),
        ratio_range=(0.5, 2.0),
        keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    load_annotations,  # after Resize: the metric is that of the original size
    dict(type='PackSegInputs')
]
# --tta: six scales, each also flipped
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[[
            dict(type='Resize', scale=(1024, 256), keep_ratio=True),
            dict(type='Resize', scale=(1536, 384), keep_ratio=True),
            dict(type='Resize', scale=(2048, 512), keep_ratio=True),
            dict(type='Resize', scale=(2560, 640), keep_ratio=True),
            dict(type='Resize', scale=(3072, 768), keep_ratio=True),
            dict(type='Resize', scale=(3584, 896), keep_ratio=True)
        ], [
            dict(type='RandomFlip', prob=0.),
            dict(type='RandomFlip', prob=1.)
        ], [load_annotations], [dict(type='PackSegInputs')]])
]
tta_model = dict(type='SegTTAModel')

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(
            img_path='images/training', seg_map_path='annotations/training'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(
            img_path='images/validation',
            seg_map_path='annotations/validation'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
