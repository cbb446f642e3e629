"""Ablation: 60 % of the tokens hidden instead of 75 %.

Paper    none: the paper has 75 % throughout
Run      bash tools/dist_train.sh configs/convmae/pretrain/<this file> 8
Expect   no number
Differs  as its parent
"""
_base_ = './convmae_base-no-msd_8xb256-amp-coslr-800e_in1k.py'

model = dict(masking=dict(ratio=0.6))
