"""ConvMAE-Large without multi-scale decoder, fully sharded, 800 epochs.

Paper    arXiv:2205.03892, Tables 7 and 8
Run      bash tools/dist_train.sh configs/convmae/pretrain/<this file> 8
Expect   no number: as the recipe without fsdp, whose weights it has after
         each step up to rounding
Differs  as that recipe; weights, gradients and moments are divided over the
         processes, and weights are gathered and gradients summed in bfloat16
         (docs/scaling.md, Sharding)
"""
_base_ = './convmae_base-no-msd_8xb256-amp-coslr-800e_in1k.py'

model = dict(backbone=dict(arch='large'), neck=dict(in_channels=1024))

strategy = dict(
    type='FullyShardStrategy', mixed_precision=dict(param_dtype='bfloat16'))
