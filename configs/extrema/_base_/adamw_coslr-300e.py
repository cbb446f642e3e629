"""ExtreMA's pretraining: 300 epochs of 2048 images a step."""
_base_ = '../../_base_/schedules/adamw_coslr-1600e_mim.py'

optim_wrapper = dict(
    optimizer=dict(weight_decay=0.1),
    paramwise_cfg=dict(custom_keys=dict(cls_token=dict(decay_mult=0.))))

_base_.param_scheduler[1].end = 300
train_cfg = dict(max_epochs=300, val_interval=25)
