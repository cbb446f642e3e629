# clip -> data preprocessor -> masking -> backbone -> neck -> head -> loss
model = dict(
    type='MaskedAutoencoder',
    masking=dict(type='TubeTokenMasking', ratio=0.9),
    backbone=dict(
        type='VideoConvViT',
        arch='base',
        img_size=224,
        num_frames=16,
        dw_kernel=(5, 5, 5),
        pos='3d_sincos',
        pos_trainable=False),
    neck=dict(
        type='MultiScaleDecoder',
        in_channels=768,
        stage_channels=(256, 384),
        stage_factors=(((1, 2, 2), (1, 2, 2)), ((1, 2, 2), )),
        channels=384,  # these three are VideoMAE-B's
        depth=4,
        num_heads=6,
        grid=(8, 14, 14),
        out_channels=1536),  # 2 frames * 16 * 16 pixels * 3 colours
    head=dict(
        type='MaskedPixelHead',
        patch_size=(2, 16, 16),
        norm_pix='per_channel',
        pixel_mean=(0.485, 0.456, 0.406),
        pixel_std=(0.229, 0.224, 0.225)))
