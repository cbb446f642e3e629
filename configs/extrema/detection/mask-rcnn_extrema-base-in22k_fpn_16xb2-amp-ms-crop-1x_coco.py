"""As without -in22k, from the pretraining on ImageNet-22k.

Paper    arXiv:2206.04667, appendix B and Table 1
Run      bash tools/dist_train.sh configs/extrema/detection/<this file> 8
         --auto-scale-lr
Expect   48.5 box AP, 42.7 mask AP (reported by the paper, not rerun here)
Differs  as its parent
"""
_base_ = './mask-rcnn_extrema-base_fpn_16xb2-amp-ms-crop-1x_coco.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/extrema_base-mask08x5-color_8xb256-amp-'
            'coslr-30e_in22k/epoch_30.pth')))
