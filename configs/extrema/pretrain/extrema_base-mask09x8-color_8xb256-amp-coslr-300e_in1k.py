"""ExtreMA-Base, eight masks of 90 %, colour, 300 epochs, ImageNet-1k.

Paper    arXiv:2206.04667; README of the official code
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   83.5 top-1 fine-tuned, 68.4 by linear probe (reported by the authors
         with the released weights, not rerun here)
Differs  as its parent
"""
_base_ = './extrema_base-mask08x5-color_8xb256-amp-coslr-300e_in1k.py'

model = dict(masking=dict(ratio=0.9, num_masks=8))
