"""Detection, FPN recipe: 92,187 iterations of 32 images (24.9 epochs)."""
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW', lr=8e-5, betas=(0.9, 0.999), weight_decay=0.1),
    # biases are decayed, as the official recipe has it
    paramwise_cfg=dict(
        norm_decay_mult=0.,
        custom_keys=dict(
            pos_embed=dict(decay_mult=0.),
            relative_position_bias_table=dict(decay_mult=0.))))

# A quarter of the 100-epoch schedule of 368,750 iterations. The warm-up
# multiplies the cosine; LinearLR reaches its last value at `end - 1`.
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0.,
        by_epoch=False,
        begin=0,
        end=92187),
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=462)
]

train_cfg = dict(type='IterBasedTrainLoop', max_iters=92187, val_interval=3688)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(base_batch_size=32)
