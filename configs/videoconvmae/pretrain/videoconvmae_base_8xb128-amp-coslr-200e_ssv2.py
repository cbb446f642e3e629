"""VideoConvMAE-Base, 200 epochs, Something-Something v2.

Paper    arXiv:2205.03892, sections 2.4 and 3.4, Figure 3
Run      bash tools/dist_train.sh configs/videoconvmae/pretrain/<this file> 8
Expect   nothing published
Differs  as its parent
"""
_base_ = './videoconvmae_base_8xb128-amp-coslr-800e_ssv2.py'

_base_.param_scheduler[1].end = 200
train_cfg = dict(max_epochs=200)
