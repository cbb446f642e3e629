"""CIFAR-10 in class folders, enlarged to 128 x 128, for one GPU.

`data_root` has train/ and test/ with a folder for each class; docs/datasets.md
tells how to get it. The labels of 500 images a class are used, by
`labelled_bank` for kNN and by configs of classifiers; pretraining takes all
images and no label.
"""
dataset_type = 'ClassFolders'
data_root = 'data/cifar10_jpeg'
classes = ('airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog',
           'horse', 'ship', 'truck')
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)

train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(
        type='RandomResizedCrop',
        scale=128,
        crop_ratio_range=(0.2, 1.0),
        interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs')
]
test_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='ResizeEdge', scale=128, edge='short', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=128),
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
        data_prefix='train',
        classes=classes,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=256,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix='test',
        classes=classes,
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
        data_prefix='train',
        classes=classes,
        per_class=500,
        pipeline=test_pipeline))

test_dataloader = val_dataloader
test_evaluator = val_evaluator
