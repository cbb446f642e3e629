"""Models of the fixtures, built from their configuration."""
from mmpretrain.registry import MODELS

import projects.convmae  # noqa: F401


def arch_of(config):
    if isinstance(config.get('arch'), str) or 'embed_dim' not in config:
        return 'base', (256, 384, 768)
    return dict(
        channels=config['embed_dim'],
        depths=config['depth'],
        mlp_ratios=config['mlp_ratio'],
        num_heads=config['num_heads']), tuple(config['embed_dim'])


def build_pretrain(config=None, fuse=True):
    config = config or {}
    arch, channels = arch_of(config)
    model = MODELS.build(
        dict(
            type='MaskedAutoencoder',
            masking=dict(
                type='RandomTokenMasking', ratio=config.get('mask_ratio',
                                                            .75)),
            backbone=dict(
                type='ConvViT',
                arch=arch,
                attn_eps=config.get('norm_eps', 1e-6),
                pos_trainable=False),
            neck=dict(
                type='MultiScaleDecoder',
                in_channels=channels[-1],
                stage_channels=channels[:2] if fuse else (),
                channels=config.get('decoder_embed_dim', 512),
                depth=config.get('decoder_depth', 8),
                num_heads=config.get('decoder_num_heads', 16),
                grid=(14, 14),
                out_channels=16 * 16 * 3),
            head=dict(
                type='MaskedPixelHead',
                norm_pix=config.get('norm_pix_loss', True))))
    return model.eval()


def build_classifier(config=None, num_classes=1000):
    config = config or {}
    arch, channels = arch_of(config)
    pooled = config.get('global_pool', True)
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(
                type='ConvViT',
                arch=arch,
                attn_eps=config.get('norm_eps', 1e-6)),
            neck=dict(
                type='TokenPooling',
                channels=channels[-1],
                mode='mean' if pooled else 'first'),
            head=dict(
                type='LinearClsHead',
                in_channels=channels[-1],
                num_classes=num_classes)))
    return model.eval()
