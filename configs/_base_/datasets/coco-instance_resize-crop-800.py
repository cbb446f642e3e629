"""COCO instances, resized to one of nine sizes, half of them cropped before.

DETR's augmentation as detectron2 recipes have it. Nothing is padded here:
the data preprocessor pads the images of a batch to the largest of them, after
the normalisation, and tells the model how much. A batch holds images of one
orientation.
"""
dataset_type = 'CheckedCocoDataset'
data_root = 'data/coco/'
# as detectron2: Pillow decodes, and smooths where it shrinks
load = dict(type='LoadImageFromFile', imdecode_backend='pillow')
backend = 'pillow'
resize = dict(
    type='RandomChoiceResize',
    # the short side, up to a long side of 1333 pixels
    scales=[(side, 1333)
            for side in (480, 512, 544, 576, 608, 640, 736, 768, 800)],
    keep_ratio=True,
    backend=backend)
resize_and_crop = [
    dict(
        type='RandomChoiceResize',
        scales=[(side, 4200) for side in (400, 500, 600)],  # any long side
        keep_ratio=True,
        backend=backend),
    dict(
        type='RandomCrop',
        crop_type='absolute_range',
        crop_size=(384, 600),
        recompute_bbox=False,
        allow_negative_crop=True),
]

train_pipeline = [
    load,
    # polygons are drawn in each region, without a bitmap of the image
    dict(
        type='LoadAnnotations',
        with_bbox=True,
        with_mask=True,
        poly2mask=False),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomChoice', transforms=[[resize], [*resize_and_crop,
                                                    resize]]),
    dict(
        type='FilterAnnotations',
        min_gt_bbox_wh=(1e-5, 1e-5),
        by_mask=True,
        keep_empty=False),  # keeps images without objects
    dict(type='PackDetInputs')
]
test_pipeline = [
    load,
    dict(type='Resize', scale=(1333, 800), keep_ratio=True, backend=backend),
    # after Resize: predictions are compared in the original size
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                   'scale_factor'))
]

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,  # features depend on the padding, so on the other images
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(
    type='CocoMetric',
    ann_file=data_root + 'annotations/instances_val2017.json',
    metric=['bbox', 'segm'])
test_evaluator = val_evaluator
