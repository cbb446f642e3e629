# image -> data preprocessor -> backbone -> neck -> head -> loss
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ConvViT',
        arch='base',
        img_size=224,
        frozen_stages=3,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/convmae_base_8xb256-amp-coslr-1600e_in1k/'
            'epoch_1600.pth',
            prefix='backbone.')),
    neck=dict(type='TokenPooling', channels=768, frozen=True, batch_norm=True),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        loss=dict(type='CrossEntropyLoss'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01)))
