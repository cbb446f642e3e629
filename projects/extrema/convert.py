"""Official ExtreMA checkpoints to our names and back.

Layouts: microsoft/ExtreMA at bf30b64: full pretraining (key ``state_dict``,
names below ``module.``), linear probe, and fine-tuned classifier (key
``model``).
"""
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from projects.common.checkpoint import Rename, rename, transformer_rules

STUDENT, TEACHER = 'base_encoder', 'momentum_encoder'

TRUNK = [
    Rename('pos_embed', 'pos_embed'),
    Rename('patch_embed.proj.*', 'patch_embed.*'),
    *transformer_rules('blocks', 'blocks'),
]
ENCODER = [
    Rename('cls_token', 'cls_token'),
    *TRUNK,
    *transformer_rules('blocks_token', 'class_layers'),
    Rename('blocks_token.*.gamma_1', 'class_layers.*.gamma1'),
    Rename('blocks_token.*.gamma_2', 'class_layers.*.gamma2'),
    Rename('norm.*', 'norm.*'),
]
PROJECTOR = [Rename('head.*.*', 'layers.*.*')]


def _within(rows: Sequence[Rename],
            target: str,
            source: str = '') -> list[Rename]:
    """``rows`` of a part that is below a name on either side."""
    return [
        replace(
            row,
            source=f'{source}.{row.source}' if source else row.source,
            target=f'{target}.{row.target}') for row in rows
    ]


STUDENT_RULES = [
    *_within(ENCODER, 'backbone', STUDENT),
    *_within(PROJECTOR, 'neck', STUDENT),
    Rename('predictor.*.*', 'head.predictor.layers.*.*'),
]

RULES = {
    'extrema-pretrain': [
        *STUDENT_RULES,
        *_within(ENCODER, 'target_net.module.0', TEACHER),
        *_within(PROJECTOR, 'target_net.module.1', TEACHER),
    ],
    # of a file without teacher, which pretraining cannot go on from
    'extrema-student':
    STUDENT_RULES,
    'extrema-finetune': [
        *_within(TRUNK, 'backbone'),
        Rename('fc_norm.*', 'neck.fc_norm.*'),
        Rename('head.*', 'head.fc.*'),
    ],
    'extrema-linear': [
        *_within(ENCODER, 'backbone'),
        Rename('head.0.*', 'neck.bn.*'),
        Rename('head.1.*', 'head.fc.*'),
    ],
}
# Our count of the teacher's moves, and a token that the official classifier
# has but does not use.
STEPS = 'target_net.steps'
UNUSED_TOKEN = 'cls_token'

# The keys of the tensors in the official files.
CONTAINERS = dict.fromkeys(('extrema-pretrain', 'extrema-student'),
                           'state_dict')


def plain_vit(official: Mapping[str, Tensor],
              kind: str) -> dict[str, Tensor] | None:
    """The plain vision transformer in a checkpoint, under timm's names.

    That is the fine-tuned classifier; the others have class attention.

    Args:
        official: Tensors under their official names.
        kind: A key of ``RULES``.
    """
    if kind != 'extrema-finetune':
        return None
    return {
        name: tensor
        for name, tensor in official.items() if name != UNUSED_TOKEN
    }


def recognise(state_dict: Mapping[str, Tensor]) -> str:
    """Kind of an official checkpoint, a key of ``RULES``.

    Raises:
        ValueError: If it is not one of them, or pretraining without teacher.
    """
    names = state_dict.keys()
    if any(name.startswith((STUDENT, TEACHER)) for name in names):
        _require_both(names)
        return 'extrema-pretrain'
    if 'blocks_token.0.norm1.weight' in names and 'head.1.weight' in names:
        return 'extrema-linear'
    positions = state_dict.get('pos_embed')
    if ({'cls_token', 'fc_norm.weight', 'head.weight'} <= names
            and 'norm.weight' not in names and positions is not None
            and round(positions.shape[1]**.5)**2 == positions.shape[1]):
        return 'extrema-finetune'
    raise ValueError(
        f'not an official ExtreMA checkpoint: neither {STUDENT}.* of '
        'pretraining, nor blocks_token.* of a linear probe, nor a classifier '
        'with cls_token and fc_norm but no position for the token; its names '
        f'start with {sorted(names)[:3]}')


def _require_both(names: Collection[str]) -> None:
    """Refuse pretraining files that hold one of the two encoders."""
    for encoder, role in ((STUDENT, 'student'), (TEACHER, 'teacher')):
        if not any(name.startswith(encoder) for name in names):
            raise ValueError(
                f'the checkpoint is of ExtreMA, but its {role} ({encoder}.*) '
                'is missing: a full checkpoint has both. A student alone is '
                'converted with --kind extrema-student')


def convert(state_dict: Mapping[str, Tensor],
            kind: str | None = None,
            backward: bool = False) -> dict[str, Tensor]:
    """Convert an ExtreMA checkpoint to our names, or back.

    Nothing is resized here: position embeddings are resampled when they are
    loaded into a model of another size.

    Args:
        state_dict: The tensors of the file, without container.
        kind: A key of ``RULES``; recognised from the names when converting
            to our names.
        backward: From our names to the official ones; needs ``kind``. The
            classifier's unused class token becomes zero.

    Raises:
        ValueError: If the kind is unknown, a name is not in its table, or
            one of the two encoders of pretraining is missing.
    """
    if kind is None and not backward:
        kind = recognise(state_dict)
    if kind not in RULES:
        raise ValueError(f'kind is {kind!r}; choose from {list(RULES)}')
    if kind == 'extrema-pretrain' and not backward:
        _require_both(state_dict.keys())
    ignore = [STEPS] if backward else []
    if kind == 'extrema-finetune' and not backward:
        ignore = [UNUSED_TOKEN]
    result = rename(dict(state_dict), RULES[kind], backward, ignore)
    if kind == 'extrema-pretrain' and not backward:
        result[STEPS] = torch.tensor(1)
    if kind == 'extrema-finetune' and 'fc_norm.bias' in result and backward:
        width = result['fc_norm.bias'].numel()
        result[UNUSED_TOKEN] = torch.zeros(1, 1, width)
    return result
