"""Masked video modelling: VideoMAE's schedule, 1024 clips a step.

Another length changes `param_scheduler[1].end` and `train_cfg.max_epochs`.
"""
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW',
        lr=6e-4,  # 1.5e-4 per 256 clips
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
        eta_min=4e-5,  # 1e-5 per 256 clips
        by_epoch=True,
        begin=40,
        end=800,
        convert_to_iter_based=True)
]

train_cfg = dict(by_epoch=True, max_epochs=800)

auto_scale_lr = dict(base_batch_size=1024)
