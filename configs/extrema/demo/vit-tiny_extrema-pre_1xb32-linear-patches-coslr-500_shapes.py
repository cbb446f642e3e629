"""Linear probe of the tiny ExtreMA's patch tokens on the embedded shapes.

Part of `make demo METHOD=extrema`.

Paper    arXiv:2206.04667; a model of this size is ours, and so is the mean of
         the patch tokens as a feature, to look at what they hold
Run      python tools/train.py configs/extrema/demo/<this file>
Expect   20.6 % with seed 0, where random weights have 14.0 %
         (measured here)
Differs  as its parent
"""
_base_ = './vit-tiny_extrema-pre_1xb32-linear-coslr-500_shapes.py'

model = dict(
    backbone=dict(token_mode=None),
    neck=dict(
        _delete_=True,  # in place of that for one token
        type='TokenPooling',
        channels=64,
        frozen=True,
        batch_norm=True))
