"""Kinetics-400 for fine-tuning and multi-view tests: VideoMAE's protocol.

`data_root` holds the videos, their shorter side about 320 pixels, and the
lists `train.txt` and `val.txt`; see docs/video_data.md.
"""
data_preprocessor = dict(
    type='ClipDataPreprocessor',
    num_classes=400,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375])

# timm's rand-m7-n4-mstd0.5-inc1 and random erasing (0.25, pixel). Erasing
# comes before the normalisation here, so its noise has the clips' statistics
train_pipeline = [
    dict(
        type='LoadVideoClip',
        sampler=dict(type='SpanFrames', num_frames=16, span=64)),
    dict(
        type='OnEveryFrame',
        transforms=[
            dict(
                type='RandAugment',
                policies='timm_increasing',
                num_policies=4,
                total_level=10,
                magnitude_level=7,
                magnitude_std=0.5,
                hparams=dict(pad_val=[128, 128, 128],
                             interpolation='bicubic')),
            dict(
                type='RandomResizedCrop',
                scale=224,
                backend='pillow',
                interpolation='bilinear'),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
        ]),
    dict(
        type='ClipRandomErasing',
        erase_prob=0.25,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=0.3333333333333333,
        fill_color=[123.675, 116.28, 103.53],
        fill_std=[58.395, 57.12, 57.375]),
    dict(type='PackClip')
]
# one view while training, with the random frames of training
val_pipeline = [
    dict(
        type='LoadVideoClip',
        sampler=dict(type='SpanFrames', num_frames=16, span=64)),
    dict(type='ClipResizeShort', size=224),
    dict(type='ClipViewCrop', size=224),
    dict(type='PackClip')
]
test_pipeline = [
    dict(
        type='LoadVideoClip',
        sampler=dict(type='DenseTestFrames', num_frames=16, stride=4)),
    dict(type='ClipResizeShort', size=224),
    dict(type='ClipViewCrop', size=224),
    dict(type='PackClip')
]

train_dataloader = dict(
    batch_size=64,
    num_workers=10,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ListedVideos',
        data_root='data/k400',
        ann_file='train.txt',
        num_classes=400,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64,
    num_workers=10,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ListedVideos',
        data_root='data/k400',
        ann_file='val.txt',
        num_classes=400,
        test_mode=True,
        pipeline=val_pipeline))
val_evaluator = dict(type='MultiViewAccuracy', topk=(1, 5))

test_dataloader = dict(
    batch_size=16,
    num_workers=10,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ListedVideos',
        data_root='data/k400',
        ann_file='val.txt',
        num_classes=400,
        num_clips=5,
        num_crops=3,
        test_mode=True,
        pipeline=test_pipeline))
test_evaluator = val_evaluator
