"""CamVid's training pictures without labels, crops of 192 x 192."""
_base_ = './camvid_bs32_128px_mim.py'

train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(
        type='RandomResizedCrop',
        scale=192,
        crop_ratio_range=(0.1, 1.0),
        interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs')
]
train_dataloader = dict(
    batch_size=128, num_workers=8, dataset=dict(pipeline=train_pipeline))
