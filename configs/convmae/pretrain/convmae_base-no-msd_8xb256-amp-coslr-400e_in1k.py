"""ConvMAE-Base without multi-scale decoder, 400 epochs, ImageNet-1k.

Paper    arXiv:2205.03892, Table 4
Run      bash tools/dist_train.sh configs/convmae/pretrain/<this file> 8
Expect   84.4 top-1 fine-tuned, 66.9 by linear probe
         (reported by the paper, not rerun here)
Differs  as its parent
"""
_base_ = './convmae_base-no-msd_8xb256-amp-coslr-800e_in1k.py'

_base_.param_scheduler[1].end = 400
train_cfg = dict(max_epochs=400)
