"""Official checkpoints of MAE, MIMDet and its baseline to our names and back.

Layouts: facebookresearch/mae at efb2a80 (to mmpretrain's MAE), hustvl/MIMDet
at fb0aaa1.
"""
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from projects.common.checkpoint import Rename, rename, transformer_rules
from projects.common.detectron2 import fpn_rules, mask_rcnn_rules
from projects.common.plain_vit import BACKBONE, FFN
from projects.common.rel_pos import TABLE

INDEX = 'relative_position_index'
BOTTOM_UP = 'backbone.bottom_up'
ENCODER, DECODER = f'{BOTTOM_UP}.encoder', f'{BOTTOM_UP}.decoder'
STEM = f'{ENCODER}.patch_embed.proj'

RULES = {
    # to mmpretrain's MAE, with or without decoder
    'mae': [
        *BACKBONE,
        Rename('decoder_embed.*', 'neck.decoder_embed.*'),
        Rename('mask_token', 'neck.mask_token'),
        Rename('decoder_pos_embed', 'neck.decoder_pos_embed'),
        *transformer_rules('decoder_blocks', 'neck.decoder_blocks', *FFN),
        Rename('decoder_norm.*', 'neck.ln1.*'),
        Rename('decoder_pred.*', 'neck.decoder_pred.*'),
    ],
    # the detector, with stem features or mask tokens as decoder input
    'mimdet': [
        Rename(f'{ENCODER}.pos_embed', 'backbone.encoder.pos_embed.table'),
        Rename(f'{STEM}.*.0.weight', 'backbone.stem.stages.*.conv.weight'),
        Rename(f'{STEM}.*.1.*', 'backbone.stem.stages.*.norm.*'),
        Rename(f'{STEM}.3.3.*', 'backbone.stem.proj.*'),
        *transformer_rules(f'{ENCODER}.blocks', 'backbone.encoder.blocks'),
        Rename(f'{ENCODER}.norm.*', 'backbone.encoder.norm.*'),
        Rename(f'{DECODER}.decoder_pos_embed',
               'backbone.decoder.pos_embed.table'),
        Rename(f'{DECODER}.decoder_embed.*', 'backbone.decoder.embed.*'),
        Rename(f'{DECODER}.conv_feat_proj.*', 'backbone.decoder.stem_proj.*'),
        Rename(f'{DECODER}.mask_token', 'backbone.decoder.mask_token'),
        *transformer_rules(f'{DECODER}.decoder_blocks',
                           'backbone.decoder.blocks'),
        Rename(f'{DECODER}.decoder_norm.*', 'backbone.decoder.norm.*'),
        *fpn_rules(),
        *mask_rcnn_rules('bn'),
    ],
    # the detector of the baseline
    'benchmarking-vit': [
        Rename(f'{BOTTOM_UP}.pos_embed', 'backbone.pos_embed'),
        Rename(f'{BOTTOM_UP}.patch_embed.proj.*', 'backbone.patch_embed.*'),
        *transformer_rules(f'{BOTTOM_UP}.blocks', 'backbone.blocks'),
        Rename(f'{BOTTOM_UP}.windowed_rel_pos_bias.{TABLE}',
               f'backbone.window_rel_pos.{TABLE}'),
        Rename(f'{BOTTOM_UP}.global_rel_pos_bias.{TABLE}',
               f'backbone.global_rel_pos.{TABLE}'),
        Rename(f'{BOTTOM_UP}.ms_adaptor.0.*.*', 'backbone.adaptor.up4.*.*'),
        Rename(f'{BOTTOM_UP}.ms_adaptor.1.*', 'backbone.adaptor.up8.*'),
        *fpn_rules(),
        *mask_rcnn_rules('bn'),
    ],
}


def relative_position_index(num_offsets: int) -> Tensor:
    """Row of the table for each pair of query and key, (N, N) int64.

    The official detector stores it; ours does without.

    Args:
        num_offsets: Rows of the table of a square span of N tokens.
    """
    side = (math.isqrt(num_offsets) + 1) // 2
    token_N = torch.arange(side * side)
    row_N, column_N = token_N // side, token_N % side
    down_NN = row_N[:, None] - row_N + side - 1
    right_NN = column_N[:, None] - column_N + side - 1
    return down_NN * (2 * side - 1) + right_NN


def plain_vit(official: Mapping[str, Tensor],
              kind: str) -> dict[str, Tensor] | None:
    """The plain vision transformer in a checkpoint, under timm's names.

    Args:
        official: Tensors under their official names.
        kind: A key of ``RULES``.

    Returns:
        Its tensors; None if the architecture has no counterpart in timm.
    """
    if kind != 'mae':
        return None
    return {
        name: tensor
        for name, tensor in official.items()
        if not name.startswith('decoder_') and name != 'mask_token'
    }


def recognise(state_dict: Mapping[str, Tensor]) -> str:
    """Kind of an official checkpoint, a key of ``RULES``.

    Raises:
        ValueError: If it is not one of them.
    """
    if f'{ENCODER}.pos_embed' in state_dict:
        return 'mimdet'
    if {
            f'{BOTTOM_UP}.ms_adaptor.1.weight',
            f'{BOTTOM_UP}.blocks.0.norm1.weight'
    } <= state_dict.keys():
        return 'benchmarking-vit'
    if {
            'cls_token', 'patch_embed.proj.weight', 'blocks.0.norm1.weight',
            'norm.weight'
    } <= state_dict.keys():
        return 'mae'
    raise ValueError(
        'neither an MAE, which has cls_token and norm.weight, nor a detector '
        f'of MIMDet, which has {ENCODER}.pos_embed, nor one of Benchmarking-'
        f'ViT, which has {BOTTOM_UP}.ms_adaptor.1.weight; its names start '
        f'with {sorted(state_dict)[:3]}')


def convert(state_dict: Mapping[str, Tensor],
            kind: str | None = None,
            backward: bool = False) -> dict[str, Tensor]:
    """Convert a checkpoint to our names, or back.

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
    result = rename(
        dict(state_dict), RULES[kind], backward, ignore=(f'*.{INDEX}', ))
    if backward:
        for name in [name for name in result if name.endswith(TABLE)]:
            result[name.replace(TABLE, INDEX)] = relative_position_index(
                len(result[name]))
    return result
