"""VideoConvMAE-Base without multi-scale decoder, 800 epochs, SSv2.

Paper    arXiv:2205.03892, sections 2.4 and 3.4, Figure 3
Run      bash tools/dist_train.sh configs/videoconvmae/pretrain/<this file> 8
Expect   69.9 / 92.4 top-1 / top-5 fine-tuned
         (reported by the authors, not rerun here)
Differs  as its parent
"""
_base_ = './videoconvmae_base_8xb128-amp-coslr-800e_ssv2.py'

model = dict(neck=dict(stage_channels=()))
