# image -> data preprocessor -> backbone -> neck -> head -> loss
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ClassAttentionViT',
        arch='base',
        img_size=224,
        token_mode=None,
        pos_trainable=True,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/extrema_base-mask08x5-color_8xb256-amp-'
            'coslr-300e_in1k/epoch_300.pth',
            prefix='backbone.')),  # the student
    neck=dict(type='TokenPooling', channels=768),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        loss=dict(
            type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=2e-5)),
    train_cfg=dict(augments=[
        dict(type='Mixup', alpha=0.8),
        dict(type='CutMix', alpha=1.0)
    ]))
