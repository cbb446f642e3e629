"""ExtreMA-Base, five masks of 80 %, colour, 30 epochs, ImageNet-22k.

Paper    arXiv:2206.04667; README of the official code
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   83.9 top-1 fine-tuned, 74.5 by linear probe on ImageNet-1k (reported
         by the authors with the released weights, not rerun here)
Differs  bfloat16 instead of fp16 with a scaled loss. The length of the warm-up
         is not published; 4 epochs are the same share as on ImageNet-1k. kNN
         stays on ImageNet-1k
"""
_base_ = './extrema_base-mask08x5-color_8xb256-amp-coslr-300e_in1k.py'

train_dataloader = dict(dataset=dict(data_root='data/imagenet22k'))
_base_.param_scheduler[0].end = 4
_base_.param_scheduler[1].begin = 4
_base_.param_scheduler[1].end = 30
train_cfg = dict(max_epochs=30, val_interval=5)
