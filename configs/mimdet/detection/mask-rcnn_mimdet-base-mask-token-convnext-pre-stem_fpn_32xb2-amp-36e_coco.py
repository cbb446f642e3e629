"""MIMDet-Base with the mask token and a pretrained ConvNeXt stem.

Paper    arXiv:2204.02964, Table 5
Run      bash tools/dist_train.sh configs/mimdet/detection/<this file> 8
Expect   51.4 box AP, 45.8 mask AP
         (reported by the paper, not rerun here)
Differs  as its parent; how the second stage becomes tokens is ours
         (see ConvNeXtStem), and so is the choice of ImageNet-1k weights
"""
_base_ = './mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco.py'

model = dict(
    backbone=dict(
        stem=dict(
            type='ConvNeXtStem',
            init_cfg=dict(
                type='Pretrained',
                prefix='backbone.',
                checkpoint='https://mmassets.onedl.ai/mmclassification/'
                'v0/convnext/convnext-large_3rdparty_64xb64_in1k_20220124-'
                'f8a0ded0.pth')),
        decoder=dict(fill='mask_token')))
