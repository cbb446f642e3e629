"""Benchmarking-ViT-Base, the baseline of MIMDet: Mask R-CNN, 50 epochs.

Paper    arXiv:2204.02964; release 1.0.0 of the official code
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   50.2 box AP, 44.9 mask AP
         (reported by the authors, not rerun here)
Differs  as its parent
"""
_base_ = './mask-rcnn_benchmarking-vit-base_fpn_32xb2-amp-lsj-100e_coco.py'

_base_.param_scheduler[0].end = 92187
train_cfg = dict(max_iters=92187)
