"""CIFAR-10 by mmpretrain's data set, enlarged to 128 x 128, for one GPU.

It fetches the authors' archive when `data_root` does not hold it, or has not
all of it. Its images are arrays in RGB order. They lie in no order of classes:
the first 5,000 have about 500 of each, and these are the labelled ones.
"""
dataset_type = 'CIFAR10'
data_root = 'data/cifar10'
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=False)

train_pipeline = [
    dict(
        type='RandomResizedCrop',
        scale=128,
        crop_ratio_range=(0.2, 1.0),
        interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs')
]
test_pipeline = [
    dict(type='Resize', scale=128, interpolation='bicubic'),
    dict(type='PackInputs')
]

train_dataloader = dict(
    batch_size=256,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=256,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='test',
        pipeline=test_pipeline))
val_evaluator = dict(type='Accuracy', topk=(1, ))
labelled_bank = dict(
    batch_size=256,
    num_workers=8,
    drop_last=False,  # also where this takes the place of training data
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        indices=5000,
        pipeline=test_pipeline))

test_dataloader = val_dataloader
test_evaluator = val_evaluator
