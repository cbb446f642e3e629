# image -> data preprocessor -> masking -> backbone -> neck -> head -> loss
model = dict(
    type='MaskedAutoencoder',
    masking=dict(type='RandomTokenMasking', ratio=0.75),
    backbone=dict(
        type='ConvViT', arch='base', img_size=224, pos_trainable=False),
    neck=dict(
        type='MultiScaleDecoder',
        in_channels=768,
        stage_channels=(256, 384),
        channels=512,
        depth=8,
        num_heads=16,  # the paper says 12, which does not divide 512
        grid=(14, 14),
        out_channels=768),  # 16 * 16 pixels * 3 colours
    head=dict(type='MaskedPixelHead', patch_size=16, norm_pix=True))
