"""ExtreMA's models of the fixtures, built from their configuration."""
from functools import partial

import torch
from golden import Fixture
from mmengine.logging import MessageHub
from mmpretrain.registry import MODELS
from torch import nn

import projects.extrema  # noqa: F401
from projects.extrema.convert import convert

LOSSES = {
    'byol': dict(
        type='CosineSimilarityLoss', shift_factor=2., scale_factor=2.),
    'infonce': dict(type='CrossMaskInfoNCE'),
}  # yapf: disable
TINY = dict(channels=32, depth=2, num_heads=4)


def siamese(arch: str | dict = TINY,
            img_size: int = 224,
            masking: dict = dict(
                type='DisjointTokenMasking', ratio=0.8, num_masks=5),
            hid_channels: int = 48,
            out_channels: int = 16,
            loss: dict = LOSSES['byol'],
            backbone: dict = {},
            **kwargs) -> nn.Module:
    """An ExtreMA model, initialised."""
    encoder = dict(
        type='ClassAttentionViT', arch=arch, img_size=img_size, **backbone)
    channels = MODELS.build(encoder).pos_embed.shape[-1]
    sizes = dict(
        type='ProjectionMLP',
        hid_channels=hid_channels,
        out_channels=out_channels)
    return MODELS.build(
        dict(
            type='ExtreMA',
            masking=masking,
            backbone=encoder,
            neck=dict(in_channels=channels, num_layers=3, **sizes),
            head=dict(
                type='LatentPredictHead',
                predictor=dict(
                    in_channels=out_channels, num_layers=2, **sizes),
                loss=loss),
            **kwargs))


def of_fixture(fixture: Fixture, dtype: torch.dtype) -> nn.Module:
    """The model of a fixture with its weights and masking noise."""
    config = fixture.info['config']
    encoder = config['encoder']
    arch = encoder.get('arch', '').removeprefix('vit_') or dict(
        channels=encoder['embed_dim'],
        depth=encoder['depth'],
        num_heads=encoder['num_heads'])
    loss = dict(LOSSES[config['loss']])
    if config['loss'] == 'infonce':
        loss['temperature'] = config['temperature']
    model = siamese(
        arch,
        masking=dict(
            type='DisjointTokenMasking'
            if config['disjoint'] else 'IndependentTokenMasking',
            ratio=config['mask_ratio'],
            num_masks=config['num_masks']),
        hid_channels=config['mlp_dim'],
        out_channels=config['proj_dim'],
        loss=loss,
        backbone=dict(
            num_class_layers=encoder['class_attention_layers'],
            class_layer_scale=encoder['init_values']))
    weights = convert(fixture.state_dict(), 'extrema-pretrain')
    result = model.load_state_dict(weights, strict=False)
    assert not result.unexpected_keys
    untouched = {
        name.split('.')[-1]
        for name in fixture.info['untouched_keys']
    }
    assert all(
        name.split('.')[-1] in untouched for name in result.missing_keys)
    noise = fixture.input('noise0').to(dtype)
    model.masking = partial(model.masking, noise_BL=noise)
    return model.to(dtype)


def views(fixture: Fixture, dtype: torch.dtype) -> list[torch.Tensor]:
    """The student's and the teacher's view of a fixture."""
    names = ('view0',
             'view1' if 'view1' in fixture.info['inputs'] else 'view0')
    return [fixture.input(name).to(dtype) for name in names]


def set_progress(iteration: int, length: int) -> None:
    """Tell the teacher where the training is, as a runner does."""
    hub = MessageHub.get_current_instance()
    hub.update_info('iter', iteration)
    hub.update_info('max_iters', length)
