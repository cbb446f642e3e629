"""Embedded clips whose class is the motion: for the demonstration.

Made by tools/datasets/make_shapes.py data/shapes --size demo. Other videos
take their place by another `data_root` with lists `train.txt` and `val.txt`.
Nothing is flipped: left and right are classes. Things leave on one side and
come back on the other, and so may whole clips.
"""
data_preprocessor = dict(
    type='ClipDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375])

train_pipeline = [
    dict(
        type='LoadVideoClip', sampler=dict(type='SegmentFrames',
                                           num_frames=8)),
    dict(type='ClipMultiScaleCrop', size=64, scales=(1, 0.875, 0.75)),
    dict(type='ClipRandomRoll'),
    dict(type='PackClip')
]
test_pipeline = [
    dict(
        type='LoadVideoClip',
        sampler=dict(type='UniformTestFrames', num_frames=8)),
    dict(type='ClipResizeShort', size=64),
    dict(type='ClipViewCrop', size=64),
    dict(type='PackClip')
]

train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ListedVideos',
        data_root='data/shapes/video',
        ann_file='train.txt',
        num_classes=8,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=50,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ListedVideos',
        data_root='data/shapes/video',
        ann_file='val.txt',
        num_classes=8,
        num_clips=2,
        test_mode=True,
        pipeline=test_pipeline))
val_evaluator = dict(type='MultiViewAccuracy', topk=1)

test_dataloader = val_dataloader
test_evaluator = val_evaluator
