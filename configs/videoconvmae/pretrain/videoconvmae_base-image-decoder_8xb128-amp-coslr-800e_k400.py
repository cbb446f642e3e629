"""VideoConvMAE-Base with ConvMAE's decoder, 800 epochs, Kinetics-400.

The decoder of the image model, 512 channels and 8 blocks, in place of
VideoMAE's; which one the authors used is not known.

Paper    arXiv:2205.03892, section 2.4
Run      bash tools/dist_train.sh configs/videoconvmae/pretrain/<this file> 8
Expect   nothing published
Differs  as its parent
"""
_base_ = './videoconvmae_base_8xb128-amp-coslr-800e_k400.py'

model = dict(neck=dict(channels=512, depth=8, num_heads=16))
