"""Detection: 12 epochs of 32 images a step, two drops, layer decay."""
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW', lr=3e-4, betas=(0.9, 0.999), weight_decay=0.05),
    constructor='BackboneLayerDecay',
    # vectors are not decayed
    paramwise_cfg=dict(layer_decay_rate=0.75, flat_decay_mult=0.))

# the warm-up multiplies; LinearLR reaches its last value at `end - 1`
param_scheduler = [
    dict(type='MultiStepLR', milestones=[9, 11], gamma=0.1, by_epoch=True),
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=501)
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(base_batch_size=32)
