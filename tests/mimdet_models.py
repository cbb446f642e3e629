"""MIMDet's models of the tests, built from a fixture's configuration."""
from detectors import MASK_RCNN, build
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS

import projects.detection  # noqa: F401
import projects.mimdet  # noqa: F401

TINY_DECODER = dict(channels=32, depth=2, num_heads=4)


def tiny(**changes):
    """Config of a small backbone."""
    return dict(
        dict(type='MIMDetViT', arch='tiny', img_size=96, decoder=TINY_DECODER),
        **changes)


def mimdet_config(config):
    """Config of a fixture's backbone."""
    encoder, decoder = config['encoder'], config['decoder']
    return dict(
        type='MIMDetViT',
        arch=dict(
            channels=encoder['embed_dim'],
            depth=encoder['depth'],
            num_heads=encoder['num_heads']),
        img_size=encoder['img_size'],
        decoder=dict(
            channels=decoder['decoder_embed_dim'],
            depth=decoder['depth'],
            num_heads=decoder['num_heads']),
        test_sample_ratio=config['sample_ratio'])


def benchmarking_config(args):
    """Config of a fixture's baseline."""
    return dict(
        type='BenchmarkingViT',
        arch=dict(
            channels=args['embed_dim'],
            depth=args['depth'],
            num_heads=args['num_heads']),
        img_size=args['img_size'],
        window_size=args['window_size'],
        learned_pos=not args.get('sincos_pos_embed', True))


def detector_config(backbone: dict,
                    in_channels: list[int],
                    width: int = 256,
                    fc: int = 1024,
                    num_classes: int = 80) -> ConfigDict:
    """Config of the published detector around a backbone.

    Args:
        backbone: Its config.
        in_channels: Channels of its maps.
        width: Channels of neck and heads.
        fc: Channels of the box head's fully connected layer.
        num_classes: Number of classes.
    """
    model = Config.fromfile(MASK_RCNN).model
    model.backbone = backbone
    model.data_preprocessor.update(
        type='PaddedDetDataPreprocessor', pad_size_divisor=32)
    model.neck.update(
        in_channels=in_channels, out_channels=width, norm_cfg=dict(type='BN'))
    model.rpn_head.update(in_channels=width, feat_channels=width)
    for kind in ('bbox', 'mask'):
        model.roi_head[f'{kind}_roi_extractor'].out_channels = width
        model.roi_head[f'{kind}_head'].update(
            in_channels=width,
            conv_out_channels=width,
            num_classes=num_classes,
            norm_cfg=dict(type='EmptySafeSyncBN'))
    model.roi_head.bbox_head.fc_out_channels = fc
    return model


def build_detector(backbone: dict, in_channels: list[int], **sizes):
    """The published detector around a backbone, in evaluation mode."""
    return build(detector_config(backbone, in_channels, **sizes))


TINY_CHANNELS = [16, 32, 32, 32]
NARROW = dict(width=32, fc=48, num_classes=5)


def build_mae(config):
    """mmpretrain's MAE, which our recipes pretrain."""
    width, decoder = config['embed_dim'], config['decoder_embed_dim']
    patch = config['patch_size']
    return MODELS.build(
        dict(
            type='mmpretrain.MAE',
            backbone=dict(
                type='MAEViT',
                arch=dict(
                    embed_dims=width,
                    num_layers=config['depth'],
                    num_heads=config['num_heads'],
                    feedforward_channels=4 * width),
                img_size=config['img_size'],
                patch_size=patch,
                mask_ratio=config['mask_ratio']),
            neck=dict(
                type='MAEPretrainDecoder',
                num_patches=(config['img_size'] // patch)**2,
                patch_size=patch,
                embed_dim=width,
                decoder_embed_dim=decoder,
                decoder_depth=config['decoder_depth'],
                decoder_num_heads=config['decoder_num_heads']),
            head=dict(
                type='MAEPretrainHead',
                patch_size=patch,
                norm_pix=config['norm_pix_loss'],
                loss=dict(type='PixelReconstructionLoss', criterion='L2'))))
