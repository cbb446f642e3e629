"""VideoConvMAE-Base with MAE's target, 800 epochs, Kinetics-400.

Cubes are normalised over all their values, as patches in MAE, in place of
each channel alone, as in VideoMAE; what the authors did is not known.

Paper    arXiv:2205.03892, section 2.4
Run      bash tools/dist_train.sh configs/videoconvmae/pretrain/<this file> 8
Expect   nothing published
Differs  as its parent
"""
_base_ = './videoconvmae_base_8xb128-amp-coslr-800e_k400.py'

model = dict(head=dict(norm_pix='joint'))
