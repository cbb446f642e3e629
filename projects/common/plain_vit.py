"""Names of a plain vision transformer: timm's and mmpretrain's.

The official repositories of this field build on timm, so their names are
timm's; mmpretrain's ``VisionTransformer`` has its own for the same tensors.
"""
from .checkpoint import Rename, transformer_rules

FFN = 'layers.0.0', 'layers.1'  # of mmpretrain's MLP

# from timm's VisionTransformer to mmpretrain's, as a backbone
BACKBONE = [
    Rename('cls_token', 'backbone.cls_token'),
    Rename('pos_embed', 'backbone.pos_embed'),
    Rename('patch_embed.proj.*', 'backbone.patch_embed.projection.*'),
    *transformer_rules('blocks', 'backbone.layers', *FFN),
    Rename('norm.*', 'backbone.ln1.*'),
]
# the same with a classifier of mean tokens, whose norm is behind the mean, and
# mmpretrain's VisionTransformerClsHead
TIMM_TO_MMPRETRAIN = [
    *BACKBONE,
    Rename('fc_norm.*', 'backbone.ln2.*'),
    Rename('head.*', 'head.layers.head.*'),
]
