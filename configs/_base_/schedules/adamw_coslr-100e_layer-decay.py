"""Fine-tuning: 100 epochs of 1024 images a step, layer decay 0.65."""
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='AdamW',
        lr=2e-3,  # 5e-4 per 256 images
        betas=(0.9, 0.999),
        weight_decay=0.05,
        fused=True),
    constructor='BackboneLayerDecay',
    paramwise_cfg=dict(
        layer_decay_rate=0.65,
        norm_decay_mult=0.,
        bias_decay_mult=0.,
        flat_decay_mult=0.,
        custom_keys={'.pos_embed': dict(decay_mult=0.)}))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-6,  # zero, which LinearLR cannot start from
        by_epoch=True,
        begin=0,
        end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=5e-4,  # 1e-6 of 2e-3, scaled with each layer's rate
        by_epoch=True,
        begin=5,
        end=100,
        convert_to_iter_based=True)
]

train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(base_batch_size=1024)
