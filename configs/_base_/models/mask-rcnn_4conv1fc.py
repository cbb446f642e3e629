# image -> data preprocessor -> backbone -> neck -> RPN -> box and mask heads
# Mask R-CNN as the official recipes build it on detectron2. A leaf adds the
# backbone, the neck's widths and the norm of neck and heads.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

model = dict(
    rpn_head=dict(type='FullPrecisionRPNHead', num_convs=2),
    roi_head=dict(
        bbox_roi_extractor=dict(type='FullPrecisionRoIExtractor'),
        bbox_head=dict(type='Shared4Conv1FCBBoxHead'),
        mask_roi_extractor=dict(type='FullPrecisionRoIExtractor')),
    train_cfg=dict(
        # the best anchor of an object is positive at any overlap
        rpn=dict(assigner=dict(min_pos_iou=0.)),
        # and a region only from an overlap of 0.5
        rcnn=dict(assigner=dict(match_low_quality=False))))
