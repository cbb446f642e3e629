"""ExtreMA-Base, eight masks of 90 %, 300 epochs, ImageNet-1k.

Paper    arXiv:2206.04667, Figure 4
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   about 49 % top-1 by kNN at the end, read off the plot to a point
         (reported by the paper, not rerun here)
Differs  as its parent; the figure does not name model and augmentation, so
         Base without colour is taken here
"""
_base_ = './extrema_base-mask08x5_8xb256-amp-coslr-300e_in1k.py'

model = dict(masking=dict(ratio=0.9, num_masks=8))
