"""ExtreMA-Base, five masks of 80 % that may overlap, ImageNet-1k.

Paper    arXiv:2206.04667; an option of the official code
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   no number is published
Differs  as its parent. The official code has this mode, but no way to ask for
         it
"""
_base_ = './extrema_base-mask08x5_8xb256-amp-coslr-300e_in1k.py'

model = dict(masking=dict(type='IndependentTokenMasking'))
