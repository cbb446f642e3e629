"""ExtreMA-Small, five masks of 80 %, colour, 300 epochs, ImageNet-1k.

Paper    arXiv:2206.04667, appendix D
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   no number is published
Differs  as its parent; the settings of Small are not published, those of Base
         are taken
"""
_base_ = './extrema_base-mask08x5-color_8xb256-amp-coslr-300e_in1k.py'

model = dict(backbone=dict(arch='small'), neck=dict(in_channels=384))
