# image -> data preprocessor -> backbone -> neck -> head -> loss
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ClassAttentionViT',
        arch='base',
        img_size=224,
        final_norm=False,
        frozen_stages=12,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/extrema_base-mask08x5-color_8xb256-amp-'
            'coslr-300e_in1k/epoch_300.pth',
            prefix='target_net.module.0.')),  # the teacher
    neck=dict(type='ClsBatchNormNeck', input_features=768, eps=1e-5),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        loss=dict(type='CrossEntropyLoss'),
        init_cfg=dict(type='Normal', layer='Linear', std=0.01)))
