"""Linear probe: 90 epochs of 4096 images a step, LARS."""
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),  # bfloat16 has the range of float32
    optimizer=dict(
        type='ReferenceLARS',
        lr=1.6,  # 0.1 per 256 images
        momentum=0.9,
        weight_decay=0.))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-6,  # zero, which LinearLR cannot start from
        by_epoch=True,
        begin=0,
        end=10,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=0.,
        by_epoch=True,
        begin=10,
        end=90,
        convert_to_iter_based=True)
]

train_cfg = dict(by_epoch=True, max_epochs=90, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(base_batch_size=4096)
