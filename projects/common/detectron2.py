"""Conversion tables of detectron2's Mask R-CNN with four-convolution heads.

The backbone's own rows are with the backbone.
"""
from .checkpoint import Rename


def fpn_rules() -> list[Rename]:
    """FPN with batch norm, from ``backbone.fpn_*`` to mmdet's ``FPN``."""
    rows = []
    for index in range(4):
        for source, target in (('lateral', 'lateral'), ('output', 'fpn')):
            rows += _conv(f'backbone.fpn_{source}{index + 2}',
                          f'neck.{target}_convs.{index}', 'bn')
    return rows


def simple_pyramid_rules() -> list[Rename]:
    """ViTDet's pyramid, from ``backbone.simfp_*``.

    Each branch is one sequence there: what changes the size, then two
    convolutions.
    """
    rows = [
        Rename(f'backbone.simfp_2.{number}.*', f'neck.resize.0.{number}.*')
        for number in (0, 1, 3)
    ]
    rows.append(Rename('backbone.simfp_3.0.*', 'neck.resize.1.0.*'))
    for index, first_conv in enumerate((4, 1, 0, 1)):
        source = f'backbone.simfp_{index + 2}'
        rows += _conv(f'{source}.{first_conv}', f'neck.lateral_convs.{index}',
                      'ln')
        rows += _conv(f'{source}.{first_conv + 1}', f'neck.fpn_convs.{index}',
                      'ln')
    return rows


def mask_rcnn_rules(norm: str) -> list[Rename]:
    """RPN of two convolutions and 4conv1fc heads.

    Classes, anchors and box deltas are in the same order on both sides.

    Args:
        norm: mmcv's name of the heads' norms, ``'bn'`` or ``'ln'``.
    """
    rpn, box = 'proposal_generator.rpn_head', 'roi_heads.box_head'
    mask = 'roi_heads.mask_head'
    rows = [
        Rename(f'{rpn}.conv.conv{index}.*',
               f'rpn_head.rpn_conv.{index}.conv.*') for index in range(2)
    ]
    for index in range(4):
        rows += _conv(f'{box}.conv{index + 1}',
                      f'roi_head.bbox_head.shared_convs.{index}', norm)
        rows += _conv(f'{mask}.mask_fcn{index + 1}',
                      f'roi_head.mask_head.convs.{index}', norm)
    return [
        *rows,
        Rename(f'{rpn}.objectness_logits.*', 'rpn_head.rpn_cls.*'),
        Rename(f'{rpn}.anchor_deltas.*', 'rpn_head.rpn_reg.*'),
        Rename(f'{box}.fc1.*', 'roi_head.bbox_head.shared_fcs.0.*'),
        Rename('roi_heads.box_predictor.cls_score.*',
               'roi_head.bbox_head.fc_cls.*'),
        Rename('roi_heads.box_predictor.bbox_pred.*',
               'roi_head.bbox_head.fc_reg.*'),
        Rename(f'{mask}.deconv.*', 'roi_head.mask_head.upsample.*'),
        Rename(f'{mask}.predictor.*', 'roi_head.mask_head.conv_logits.*'),
    ]


def _conv(source: str, target: str, norm: str) -> list[Rename]:
    """A convolution without bias, followed by a norm."""
    return [
        Rename(f'{source}.weight', f'{target}.conv.weight'),
        Rename(f'{source}.norm.*', f'{target}.{norm}.*'),
    ]
