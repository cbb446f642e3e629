"""Kinetics-400 for masked video modelling.

`data_root` holds the videos, their shorter side about 320 pixels, and the
list `train.txt`; see docs/video_data.md. Its labels are not used; for a
list of paths alone set `with_label=False`.
"""
data_preprocessor = dict(
    type='ClipDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375])

train_pipeline = [
    dict(
        type='LoadVideoClip',
        sampler=dict(type='DenseFrames', num_frames=16, stride=4)),
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
        data_root='data/k400',
        ann_file='train.txt',
        pipeline=train_pipeline))
