"""Detection: 67,500 iterations of 64 images (36 times 120,000 images)."""
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW', lr=8e-5, betas=(0.9, 0.999), weight_decay=0.1),
    constructor='MIMDetLearningRates',
    # encoder: rate / multiplier; all but encoder and stem: rate * multiplier
    paramwise_cfg=dict(multiplier=2.))

# The warm-up lasts a quarter of an epoch; LinearLR reaches its last value at
# `end - 1`, and starts from a millionth in place of zero, which it refuses.
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=470),
    dict(
        type='MultiStepLR',
        milestones=[50625, 61875],  # epochs 27 and 33
        gamma=0.1,
        by_epoch=False)
]

train_cfg = dict(type='IterBasedTrainLoop', max_iters=67500, val_interval=1875)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(base_batch_size=64)
