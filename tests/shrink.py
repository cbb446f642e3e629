"""Make any config of the zoo small enough to train a step in a test.

Rules are tables by type. A new kind of backbone needs a row in ``BACKBONES``;
new parts and transforms need one where their default size is too large or
where they take the backbone's channels.
"""
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.config import Config, ConfigDict

from projects.convmae import backbone as convmae
from projects.extrema import backbone as extrema
from projects.mimdet import encoder as mimdet

SIDE = 64  # of the images, in pixels
FRAMES = 4  # of a clip

# Settings of parts of models.
PARTS = {
    'MultiScaleDecoder':
    dict(channels=64, depth=1, num_heads=4, grid=(SIDE // 16, SIDE // 16)),
    'MAEPretrainDecoder':
    dict(
        num_patches=(SIDE // 16)**2,
        decoder_embed_dim=32,
        decoder_depth=1,
        decoder_num_heads=4),
    'ConvNeXtStem':
    dict(channels=(16, 32), depths=(1, 1)),
    'ProjectionMLP':
    dict(hid_channels=64),
    'FPN':
    dict(out_channels=32),
    'SimpleFeaturePyramid':
    dict(out_channels=32),
    'RPNHead':
    dict(in_channels=32, feat_channels=32),
    'FullPrecisionRPNHead':
    dict(in_channels=32, feat_channels=32),
    'SingleRoIExtractor':
    dict(out_channels=32),
    'FullPrecisionRoIExtractor':
    dict(out_channels=32),
    'Shared2FCBBoxHead':
    dict(in_channels=32, fc_out_channels=32),
    'Shared4Conv1FCBBoxHead':
    dict(in_channels=32, conv_out_channels=32, fc_out_channels=32),
    'FCNMaskHead':
    dict(in_channels=32, conv_out_channels=32),
    'SquareImageMaskHead':
    dict(in_channels=32, conv_out_channels=32),
    'TokenDecoder':
    dict(channels=64, depth=1, num_heads=4, grid=(SIDE // 16, SIDE // 16)),
    'RandomSampler':
    dict(num=16),
    'UPerHead':
    dict(channels=32),
    'FCNHead':
    dict(channels=32),
}

# Settings of transforms and preprocessors, replaced where a config has them.
IMAGES = {
    'RandomResizedCrop': dict(scale=SIDE),
    'ClampedResizedCrop': dict(scale=SIDE),
    'FastResizedCrop': dict(scale=SIDE),
    'ResizeEdge': dict(scale=SIDE + 8),
    'CenterCrop': dict(crop_size=SIDE),
    'Resize': dict(scale=(SIDE, SIDE)),
    'RandomResize': dict(scale=(SIDE, SIDE)),
    'RandomChoiceResize': dict(scales=[(SIDE, SIDE)]),
    'RandomCrop': dict(crop_size=(SIDE, SIDE)),
    'DiagonalRandomCrop': dict(crop_size=(SIDE, SIDE)),
    'Pad': dict(size=(SIDE, SIDE)),
    'BatchFixedSizePad': dict(size=(SIDE, SIDE)),
    'ClipMultiScaleCrop': dict(size=SIDE),
    'ClipResizeShort': dict(size=SIDE),
    'ClipViewCrop': dict(size=SIDE),
    'DenseFrames': dict(num_frames=FRAMES),
    'SpanFrames': dict(num_frames=FRAMES),
    'SegmentFrames': dict(num_frames=FRAMES),
    'DetDataPreprocessor': dict(pad_size_divisor=SIDE),
    'SegDataPreProcessor': dict(size=(SIDE, SIDE)),
}

# Settings that hold the backbone's channels, one number or several.
CHANNELS = {
    'MultiScaleDecoder': ('in_channels', 'stage_channels'),
    'TokenDecoder': ('in_channels', ),
    'TokenPooling': ('channels', ),
    'Feature2Pyramid': ('embed_dim', ),
    'mmseg.Feature2Pyramid': ('embed_dim', ),
    'ClsBatchNormNeck': ('input_features', ),
    'ProjectionMLP': ('in_channels', ),
    'LinearClsHead': ('in_channels', ),
    'MAEPretrainDecoder': ('embed_dim', ),
    'FPN': ('in_channels', ),
    'SimpleFeaturePyramid': ('in_channels', ),
    'UPerHead': ('in_channels', ),
    'FCNHead': ('in_channels', ),
}


def shrink_conv_vit(backbone: ConfigDict) -> dict[int, int]:
    """Shrink a ConvViT; returns the new number of channels for each old."""
    old = convmae.parse_arch(backbone.get('arch', 'base'))['channels']
    new = convmae.parse_arch('tiny')['channels']
    # a window holds 2 x 2 of the 4 x 4 tokens; one of two blocks is global
    small = dict(window_size=2, global_blocks=(1, ), rel_pos_size=SIDE)
    backbone.update({key: small[key] for key in small if backbone.get(key)})
    backbone.update(arch='tiny', img_size=SIDE)
    return dict(zip(old, new))


def shrink_video_conv_vit(backbone: ConfigDict) -> dict[int, int]:
    """As :func:`shrink_conv_vit`, for VideoConvViT."""
    backbone.update(num_frames=FRAMES)
    return shrink_conv_vit(backbone)


def shrink_mimdet(backbone: ConfigDict) -> dict[int, int]:
    """As :func:`shrink_conv_vit`, for a MIMDetViT."""
    old = mimdet.parse_arch(backbone.arch)['channels']
    new, old_decoder, decoder = mimdet.ARCHS['tiny']['channels'], 512, 32
    if backbone.get('decoder', {}) is not None:
        backbone.setdefault('decoder', {})
        old_decoder = backbone.decoder.get('channels', old_decoder)
        backbone.decoder.update(channels=decoder, num_heads=4)
    if backbone.get('window_size'):
        backbone.window_size = 3  # of 4 x 4 tokens
    backbone.update(arch='tiny', img_size=SIDE)
    # the decoder's width is half of the stem's in Large
    channels = {old // 4: new // 4, old // 2: new // 2, old: new}
    return {**channels, old_decoder: decoder}


def shrink_benchmarking_vit(backbone: ConfigDict) -> dict[int, int]:
    """As :func:`shrink_conv_vit`, for a BenchmarkingViT."""
    old = mimdet.parse_arch(backbone.arch)['channels']
    # of 8 blocks, every second one is global
    small = dict(mimdet.ARCHS['tiny'], depth=8)
    backbone.update(arch=small, img_size=SIDE, window_size=2)
    return {old: small['channels']}


def shrink_mae_vit(backbone: ConfigDict) -> dict[int, int]:
    """As :func:`shrink_conv_vit`, for mmpretrain's MAEViT."""
    arch = backbone.arch
    old = arch.embed_dims if isinstance(arch, dict) else \
        dict(b=768, l=1024)[arch]
    small = mimdet.ARCHS['tiny']
    backbone.update(
        arch=dict(
            embed_dims=small['channels'],
            num_layers=small['depth'],
            num_heads=small['num_heads'],
            feedforward_channels=4 * small['channels']),
        img_size=SIDE)
    return {old: small['channels']}


def shrink_class_attention_vit(backbone: ConfigDict) -> dict[int, int]:
    """Shrink a ClassAttentionViT; quarters of the blocks stay quarters."""
    old = extrema.parse_arch(backbone.get('arch', 'base'))
    new = extrema.parse_arch('tiny')
    if backbone.get('frozen_stages'):
        backbone.frozen_stages = new['depth']
    if 'out_indices' in backbone:
        backbone.out_indices = [
            index * new['depth'] // old['depth']
            for index in backbone.out_indices
        ]
    backbone.update(arch='tiny', img_size=SIDE)
    return {old['channels']: new['channels']}


BACKBONES: dict[str, Callable[[ConfigDict], dict[int, int]]] = {
    'BenchmarkingViT': shrink_benchmarking_vit,
    'ConvViT': shrink_conv_vit,
    'VideoConvViT': shrink_video_conv_vit,
    'MAEViT': shrink_mae_vit,
    'MIMDetViT': shrink_mimdet,
    'ClassAttentionViT': shrink_class_attention_vit,
}


def dicts_of(node: Any) -> Iterator[ConfigDict]:
    """Every dictionary below ``node``, itself included."""
    if isinstance(node, dict):
        yield node
        node = node.values()
    if not isinstance(node, str) and hasattr(node, '__iter__'):
        for item in node:
            yield from dicts_of(item)


def shrink(cfg: Config) -> None:
    """Replace the model and the images of ``cfg`` by small ones.

    Pretrained weights are left out.

    Raises:
        KeyError: If the backbone's type is unknown.
    """
    backbone = cfg.model.backbone
    if backbone.type not in BACKBONES:
        raise KeyError(f'teach tests/shrink.py the backbone {backbone.type}: '
                       'BACKBONES says how to make one small')
    channels = BACKBONES[backbone.type](backbone)
    cfg.load_from = None
    for node in dicts_of(cfg._cfg_dict):
        init_cfg = node.get('init_cfg')
        if isinstance(init_cfg, dict) and init_cfg.type == 'Pretrained':
            node.init_cfg = None
        kind = node.get('type')
        if not isinstance(kind, str):
            continue
        for key in CHANNELS.get(kind, ()):
            if key in node:
                node[key] = _replace(node[key], channels)
        node.update(PARTS.get(kind, {}))
        if kind == 'MultiScaleDecoder' and 'num_frames' in backbone:
            node.grid = (FRAMES // 2, *node.grid)
        small = IMAGES.get(kind, {})
        node.update({key: small[key] for key in small if key in node})


def _replace(value: Any, channels: dict[int, int]) -> Any:
    if isinstance(value, int):
        return channels.get(value, value)
    return type(value)(_replace(item, channels) for item in value)


def use_data(cfg: Config, folder: str) -> None:
    """Read from ``folder``/data what ``cfg`` reads from data/.

    Batches have two samples, loaded in this process.
    """
    for node in dicts_of(cfg._cfg_dict):
        for key, value in node.items():
            if isinstance(value, str) and value.startswith('data/'):
                node[key] = f'{folder}/{value}'
        if 'dataset' in node and 'batch_size' in node:
            node.update(batch_size=2, num_workers=0, persistent_workers=False)
        if 'per_class' in node:
            node['per_class'] = 2
