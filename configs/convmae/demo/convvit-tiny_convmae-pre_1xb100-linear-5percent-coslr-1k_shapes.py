"""Linear probe of the tiny ConvMAE from 5 % of the labels of the shapes.

200 of 4,000 images, chosen by lot within each class; all test images.

Paper    arXiv:2205.03892 has no such evaluation; a model of this size is ours
Run      python tools/train.py configs/convmae/demo/<this file>
Expect   24.3 % with seed 0 (measured here)
Differs  from the linear probe by the images alone
"""
_base_ = ['./convvit-tiny_convmae-pre_1xb100-linear-coslr-1k_shapes.py']

train_dataloader = dict(dataset=dict(type='LowShotDataset', share=0.05))
