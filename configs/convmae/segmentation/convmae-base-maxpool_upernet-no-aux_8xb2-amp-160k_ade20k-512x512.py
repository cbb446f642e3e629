"""As the official recipe, but E4 by max-pooling and no auxiliary head.

Paper    arXiv:2205.03892, Table 3 counts the 153M parameters of this model
Run      bash tools/dist_train.sh configs/convmae/segmentation/<this file> 8
Expect   nothing published: the released weights have convolution and head
Differs  from the released recipe in these two
"""
_base_ = './convmae-base_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(backbone=dict(down4='maxpool'), auxiliary_head=None)
