"""ConvMAE-Base without multi-scale decoder, 200 epochs, ImageNet-1k.

Paper    arXiv:2205.03892, Tables 4 and 6
Run      bash tools/dist_train.sh configs/convmae/pretrain/<this file> 8
Expect   84.1 top-1 fine-tuned, 62.5 by linear probe
         (reported by the paper, not rerun here)
Differs  as its parent
"""
_base_ = './convmae_base-no-msd_8xb256-amp-coslr-800e_in1k.py'

_base_.param_scheduler[1].end = 200
train_cfg = dict(max_epochs=200)
