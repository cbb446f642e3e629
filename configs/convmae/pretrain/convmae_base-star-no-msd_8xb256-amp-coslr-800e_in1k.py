"""ConvMAE-Base* without multi-scale decoder, 800 epochs, ImageNet-1k.

Paper    arXiv:2205.03892, Tables 7 and 8
Run      bash tools/dist_train.sh configs/convmae/pretrain/<this file> 8
Expect   84.9 top-1 fine-tuned
         (reported by the paper, not rerun here)
Differs  as its parent. Table 8 does not name the decoder; its Base equals the
         run without multi-scale decoder in Table 4, so that is taken here
"""
_base_ = './convmae_base-no-msd_8xb256-amp-coslr-800e_in1k.py'

model = dict(backbone=dict(arch='base*'))
