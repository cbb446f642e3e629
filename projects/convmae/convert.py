"""Official ConvMAE checkpoints to our names and back.

Layouts: Alpha-VL/ConvMAE at 4c97b4c, pretraining, fine-tuned classifier and
linear probe (key ``model`` of the released files), and segmentor of
mmsegmentation 0.x (key ``state_dict``); its detector and that of
OpenGVLab/Official-ConvMAE-Det at cd634d3c, of detectron2 (key ``model``).
"""
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from projects.common.checkpoint import Rename, rename
from projects.common.detectron2 import (fpn_rules, mask_rcnn_rules,
                                        simple_pyramid_rules)


def _pointwise_to_linear(tensor: Tensor) -> Tensor:
    """1x1 convolution weight (C', C, 1, 1) to linear weight (C', C)."""
    return tensor.flatten(1) if tensor.ndim > 2 else tensor


def _linear_to_pointwise(tensor: Tensor) -> Tensor:
    """Linear weight (C', C) to 1x1 convolution weight (C', C, 1, 1)."""
    return tensor[:, :, None, None] if tensor.ndim == 2 else tensor


def _pointwise(source: str, target: str) -> Rename:
    return Rename(source, target, _pointwise_to_linear, _linear_to_pointwise)


def _conv_stage(number: int) -> list[Rename]:
    """Rows of one convolution stage."""
    source, target = f'blocks{number}.*', f'backbone.stages.{number - 1}'
    blocks = f'{target}.blocks.*'
    embed = f'{target}.patch_embed'
    return [
        Rename(f'patch_embed{number}.proj.*', f'{embed}.projection.*'),
        Rename(f'patch_embed{number}.norm.*', f'{embed}.norm.*'),
        Rename(f'{source}.norm1.*', f'{blocks}.ln1.*'),
        _pointwise(f'{source}.conv1.*', f'{blocks}.pw_conv1.*'),
        Rename(f'{source}.attn.*', f'{blocks}.dw_conv.*'),
        _pointwise(f'{source}.conv2.*', f'{blocks}.pw_conv2.*'),
        Rename(f'{source}.norm2.*', f'{blocks}.ln2.*'),
        _pointwise(f'{source}.mlp.*.*', f'{blocks}.ffn.*.*'),
    ]


def _transformer(source: str, target: str) -> list[Rename]:
    """Rows of a stack of transformer blocks."""
    return [
        Rename(f'{source}.*.norm1.*', f'{target}.*.ln1.*'),
        Rename(f'{source}.*.attn.**', f'{target}.*.attn.**'),
        Rename(f'{source}.*.norm2.*', f'{target}.*.ln2.*'),
        Rename(f'{source}.*.mlp.*.*', f'{target}.*.ffn.*.*'),
    ]


ENCODER = [
    Rename('pos_embed', 'backbone.pos_embed'),
    *_conv_stage(1),
    *_conv_stage(2),
    Rename('patch_embed3.proj.*',
           'backbone.stages.2.patch_embed.projection.*'),
    Rename('patch_embed3.norm.*', 'backbone.stages.2.patch_embed.norm.*'),
    Rename('patch_embed4.*', 'backbone.stages.2.token_proj.*'),
    *_transformer('blocks3', 'backbone.stages.2.blocks'),
]


def _below(prefix: str, rows: list[Rename]) -> list[Rename]:
    """``rows`` for files in which the encoder is a part of the model."""
    return [replace(row, source=prefix + row.source) for row in rows]


# Key of the tensors in an official file, 'model' unless said here.
CONTAINERS = {'seg': 'state_dict'}

# Made anew by our code; the files of detectors and segmentors have them.
REBUILT = ('*.relative_position_index', )

RULES = {
    'pretrain': [
        *ENCODER,
        Rename('norm.*', 'neck.norm.*'),
        Rename('stage1_output_decode.*', 'neck.fuse_convs.0.*'),
        Rename('stage2_output_decode.*', 'neck.fuse_convs.1.*'),
        Rename('mask_token', 'neck.mask_token'),
        Rename('decoder_pos_embed', 'neck.decoder_pos_embed'),
        Rename('decoder_embed.*', 'neck.decoder_embed.*'),
        *_transformer('decoder_blocks', 'neck.decoder_blocks'),
        Rename('decoder_norm.*', 'neck.decoder_norm.*'),
        Rename('decoder_pred.*', 'neck.decoder_pred.*'),
    ],
    'finetune': [
        *ENCODER,
        Rename('fc_norm.*', 'neck.fc_norm.*'),
        Rename('head.*', 'head.fc.*'),
    ],
    # the classifier without global pooling: norm, then the first token
    'finetune-first-token': [
        *ENCODER,
        Rename('norm.*', 'neck.fc_norm.*'),
        Rename('head.*', 'head.fc.*'),
    ],
    'linear': [
        *ENCODER,
        Rename('fc_norm.*', 'neck.fc_norm.*'),
        Rename('head.0.*', 'neck.bn.*'),
        Rename('head.1.*', 'head.fc.*'),
    ],
    'det-fpn': [
        *_below('backbone.bottom_up.', ENCODER),
        Rename('backbone.bottom_up.windowed_rel_pos_bias.*',
               'backbone.window_rel_pos.*'),
        Rename('backbone.bottom_up.global_rel_pos_bias.*',
               'backbone.global_rel_pos.*'),
        *fpn_rules(),
        *mask_rcnn_rules('bn'),
    ],
    'det-sfp': [
        *_below('backbone.net.', ENCODER),
        *simple_pyramid_rules(),
        *mask_rcnn_rules('ln'),
    ],
    # mmsegmentation's heads kept their names from 0.x to 1.x
    'seg': [
        *_below('backbone.', ENCODER),
        Rename('backbone.blocks3.*.gamma_1',
               'backbone.stages.2.blocks.*.gamma1'),
        Rename('backbone.blocks3.*.gamma_2',
               'backbone.stages.2.blocks.*.gamma2'),
        Rename('backbone.fpn.0.*', 'backbone.down4.conv.*'),
        Rename('backbone.fpn.1.*', 'backbone.down4.bn.*'),
        Rename('decode_head.**', 'decode_head.**'),
        Rename('auxiliary_head.**', 'auxiliary_head.**'),
    ],
}


def recognise(state_dict: Mapping[str, Tensor]) -> str:
    """Kind of an official checkpoint, a key of ``RULES``.

    Raises:
        ValueError: If it is not one of them; the second version of ConvMAE
            (MR-MCMAE) is named, for its architecture is another.
    """
    if 'cls_token' in state_dict:
        raise ValueError(
            'the checkpoint has a cls_token: it is not ConvMAE but perhaps '
            'its second version (MR-MCMAE), whose architecture differs and '
            'is not supported, or a plain ViT')
    for prefix, kind in (('backbone.bottom_up.', 'det-fpn'),
                         ('backbone.net.', 'det-sfp'), ('backbone.', 'seg')):
        if f'{prefix}patch_embed4.weight' in state_dict:
            return kind
    if 'patch_embed4.weight' not in state_dict:
        raise ValueError(
            'not an official ConvMAE checkpoint: patch_embed4.weight is '
            f'missing; its names start with {sorted(state_dict)[:3]}')
    if 'head.1.weight' in state_dict:
        return 'linear'
    if 'head.weight' in state_dict:
        return 'finetune' if 'fc_norm.weight' in state_dict \
            else 'finetune-first-token'
    return 'pretrain'


def convert(state_dict: Mapping[str, Tensor],
            kind: str | None = None,
            backward: bool = False) -> dict[str, Tensor]:
    """Convert a ConvMAE checkpoint to our names, or back.

    Nothing is resized here: position embeddings are resampled when they are
    loaded into a model of another size.

    Args:
        state_dict: The tensors of the file, without container.
        kind: A key of ``RULES``; recognised from the names when converting
            to our names.
        backward: From our names to the official ones; needs ``kind``.

    Raises:
        ValueError: If the kind is unknown or a name is not in its table.
    """
    if kind is None and not backward:
        kind = recognise(state_dict)
    if kind not in RULES:
        raise ValueError(f'kind is {kind!r}; choose from {list(RULES)}')
    return rename(dict(state_dict), RULES[kind], backward, REBUILT)
