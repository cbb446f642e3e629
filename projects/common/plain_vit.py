"""Names of a plain vision transformer: timm's and mmpretrain's.

The official repositories of this field build on timm, so their names are
timm's; mmpretrain's ``VisionTransformer`` has its own for the same tensors.
"""
from .checkpoint import Rename

FFN = 'layers.0.0', 'layers.1'  # of mmpretrain's MLP


def transformer_rules(source: str,
                      target: str,
                      fc1: str = 'fc1',
                      fc2: str = 'fc2') -> list[Rename]:
    """Rows of a stack of transformer blocks.

    Args:
        source: Official name of the stack.
        target: Our name of it.
        fc1: Our name of an MLP's first layer.
        fc2: Of its second layer.
    """
    return [
        Rename(f'{source}.*.norm1.*', f'{target}.*.ln1.*'),
        Rename(f'{source}.*.attn.**', f'{target}.*.attn.**'),
        Rename(f'{source}.*.norm2.*', f'{target}.*.ln2.*'),
        Rename(f'{source}.*.mlp.fc1.*', f'{target}.*.ffn.{fc1}.*'),
        Rename(f'{source}.*.mlp.fc2.*', f'{target}.*.ffn.{fc2}.*'),
    ]


# from timm's VisionTransformer to mmpretrain's, as a backbone
TIMM_TO_MMPRETRAIN = [
    Rename('cls_token', 'backbone.cls_token'),
    Rename('pos_embed', 'backbone.pos_embed'),
    Rename('patch_embed.proj.*', 'backbone.patch_embed.projection.*'),
    *transformer_rules('blocks', 'backbone.layers', *FFN),
    Rename('norm.*', 'backbone.ln1.*'),
]
