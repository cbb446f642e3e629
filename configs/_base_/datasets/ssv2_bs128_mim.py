"""Something-Something v2 for masked video modelling, without labels.

`data_root` holds the videos and the labels as they are published; see
docs/video_data.md.
"""
data_preprocessor = dict(
    type='ClipDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375])

train_pipeline = [
    dict(
        type='LoadVideoClip',
        sampler=dict(type='DenseFrames', num_frames=16, stride=2)),
    dict(type='ClipMultiScaleCrop', size=224),
    dict(type='PackClip')
]

train_dataloader = dict(
    batch_size=128,
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
        data_prefix='20bn-something-something-v2',
        suffix='.webm',
        with_label=False,
        pipeline=train_pipeline))
