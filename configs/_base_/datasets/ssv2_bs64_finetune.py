"""Something-Something v2: fine-tuning and multi-view tests, as VideoMAE.

`data_root` holds the videos and the labels as they are published; see
docs/video_data.md. Nothing is flipped: left and right are classes.
"""
data_preprocessor = dict(
    type='ClipDataPreprocessor',
    num_classes=174,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375])

# timm's rand-m7-n4-mstd0.5-inc1 and random erasing (0.25, pixel). Erasing
# comes before the normalisation here, so its noise has the clips' statistics
train_pipeline = [
    dict(
        type='LoadVideoClip',
        sampler=dict(type='SegmentFrames', num_frames=16)),
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
        sampler=dict(type='SegmentFrames', num_frames=16)),
    dict(type='ClipResizeShort', size=224),
    dict(type='ClipViewCrop', size=224),
    dict(type='PackClip')
]
test_pipeline = [
    dict(
        type='LoadVideoClip',
        sampler=dict(type='UniformTestFrames', num_frames=16)),
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
        data_root='data/ssv2',
        ann_file='labels/train.json',
        labels_file='labels/labels.json',
        data_prefix='20bn-something-something-v2',
        suffix='.webm',
        num_classes=174,
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
        data_root='data/ssv2',
        ann_file='labels/validation.json',
        labels_file='labels/labels.json',
        data_prefix='20bn-something-something-v2',
        suffix='.webm',
        num_classes=174,
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
        data_root='data/ssv2',
        ann_file='labels/validation.json',
        labels_file='labels/labels.json',
        data_prefix='20bn-something-something-v2',
        suffix='.webm',
        num_classes=174,
        num_clips=2,
        num_crops=3,
        test_mode=True,
        pipeline=test_pipeline))
test_evaluator = val_evaluator
