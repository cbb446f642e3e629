# clip -> data preprocessor -> backbone -> neck -> head -> loss
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='VideoConvViT',
        arch='base',
        img_size=224,
        num_frames=16,
        dw_kernel=(5, 5, 5),
        pos='3d_sincos',
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/videoconvmae_base_8xb128-amp-coslr-800e_'
            'k400/epoch_800.pth',
            prefix='backbone.')),
    neck=dict(type='TokenPooling', channels=768),
    head=dict(
        type='LinearClsHead',
        num_classes=400,
        in_channels=768,
        loss=dict(
            type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=2e-5)),
    train_cfg=dict(augments=[
        dict(type='Mixup', alpha=0.8),
        dict(type='CutMix', alpha=1.0)
    ]))
