"""Masked image modelling: MAE's schedule, 1600 epochs of 2048 images a step.

Another length changes `param_scheduler[1].end` and `train_cfg.max_epochs`.
"""
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW',
        lr=1.2e-3,  # 1.5e-4 per 256 images
        betas=(0.9, 0.95),
        weight_decay=0.05,
        fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0., bias_decay_mult=0., flat_decay_mult=0.))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-6,  # zero, which LinearLR cannot start from
        by_epoch=True,
        begin=0,
        end=40,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=0.,
        by_epoch=True,
        begin=40,
        end=1600,
        convert_to_iter_based=True)
]

train_cfg = dict(by_epoch=True, max_epochs=1600, val_interval=100)

auto_scale_lr = dict(base_batch_size=2048)
