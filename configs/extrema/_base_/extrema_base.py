# view 1 -> masking -> backbone -> neck (projector) -> head (predictor, loss)
#        <- teacher's neck <- teacher's backbone <- view 2
model = dict(
    type='ExtreMA',
    masking=dict(type='DisjointTokenMasking', ratio=0.8, num_masks=5),
    momentum=0.004,  # of the teacher: 0.996 to 1
    backbone=dict(
        type='ClassAttentionViT',
        arch='base',
        img_size=224,
        num_class_layers=2,
        class_layer_scale=0.1,
        drop_path_rate=0.1),
    neck=dict(
        type='ProjectionMLP',
        in_channels=768,
        hid_channels=4096,
        out_channels=256,
        num_layers=3),
    head=dict(
        type='LatentPredictHead',
        predictor=dict(
            type='ProjectionMLP',
            in_channels=256,
            hid_channels=4096,
            out_channels=256,
            num_layers=2),
        # BYOL: the squared distance of unit vectors, 2 - 2 cos
        loss=dict(
            type='CosineSimilarityLoss', shift_factor=2., scale_factor=2.)))
