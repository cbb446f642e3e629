"""As without -pos-wd0, but positions are not decayed.

Paper    arXiv:2205.03892, section 3.3
Run      bash tools/dist_train.sh configs/convmae/segmentation/<this file> 8
Expect   nothing published
Differs  what the released recipe means to do: its rule for position
         embeddings misses them, because their names start with `backbone.`
"""
_base_ = './convmae-base_upernet_8xb2-amp-160k_ade20k-512x512.py'

optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone.pos_embed': dict(decay_mult=0.),
            'relative_position_bias_table': dict(decay_mult=0.)
        }))
