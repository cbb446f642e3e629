"""Detection, ViTDet recipe: 184,375 iterations of 16 images (24.9 epochs)."""
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1),
    constructor='ViTDetLayerDecay',
    # detectron2 does not take its channel LayerNorm for a norm: in neck and
    # heads its weights are decayed, like all biases
    paramwise_cfg=dict(
        layer_decay_rate=0.8,
        norm_decay_mult=0.,
        custom_keys={
            'backbone.pos_embed': dict(decay_mult=0.),
            'neck.': dict(),
            'roi_head.': dict()
        }))

# LinearLR reaches its last value at `end - 1`
param_scheduler = [
    dict(
        type='MultiStepLR',
        milestones=[163889, 177546],
        gamma=0.1,
        by_epoch=False),
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=251)
]

train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=184375, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(base_batch_size=16)
