"""VideoConvMAE-Base without multi-scale decoder, 800 epochs, Kinetics-400.

Paper    arXiv:2205.03892, sections 2.4 and 3.4, Figure 3
Run      bash tools/dist_train.sh configs/videoconvmae/pretrain/<this file> 8
Expect   81.7 / 95.1 top-1 / top-5 fine-tuned
         (reported by the authors, not rerun here)
Differs  as its parent
"""
_base_ = './videoconvmae_base_8xb128-amp-coslr-800e_k400.py'

model = dict(neck=dict(stage_channels=()))
