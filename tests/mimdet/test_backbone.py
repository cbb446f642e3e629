"""MIMDet's backbone: options, padding, sizes, errors."""
import pytest
import torch
from mimdet_models import (NARROW, TINY_CHANNELS, TINY_DECODER, build_detector,
                           tiny)
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from mmpretrain.models import ConvNeXt

from projects.mimdet.data_preprocessor import PaddedImages

CONVNEXT = dict(type='ConvNeXtStem', channels=(16, 32), depths=(1, 2))
OPTIONS = {
    'default':
    dict(),
    'mask token':
    dict(decoder=dict(TINY_DECODER, fill='mask_token')),
    'no decoder block':
    dict(decoder=dict(TINY_DECODER, depth=0)),
    'no decoder':
    dict(decoder=None, sample_ratio=1.),
    'checkerboard':
    dict(sampling='checkerboard'),
    'column':
    dict(sampling='column'),
    'mean pooling':
    dict(c5_pool='avg'),
    'ConvNeXt':
    dict(stem=CONVNEXT),
    'checkpointing':
    dict(with_cp=True),
    'ConvNeXt checkpointing':
    dict(stem=CONVNEXT, with_cp=True),
    'all tokens':
    dict(sample_ratio=1.),
    'windows':
    dict(window_size=3, decoder=None, sample_ratio=1.),
    'windows, global blocks':
    dict(window_size=3, global_blocks=(1, 3), decoder=None, sample_ratio=1.),
    'windows, decoder':
    dict(window_size=3, sample_ratio=1.),
    'ViT pyramid':
    dict(window_size=3, decoder=None, sample_ratio=1., pyramid='vit'),
    'ViT pyramid, mean pooling':
    dict(decoder=None, sample_ratio=1., pyramid='vit', c5_pool='avg'),
}


def build(**changes):
    backbone = MODELS.build(tiny(**changes))
    backbone.init_weights()
    return backbone


def scalar(maps):
    return sum((x * x.detach().cos()).mean() for x in maps)


@pytest.mark.parametrize('name', OPTIONS)
def test_every_parameter_learns(name):
    """Shapes, and a gradient on every trained parameter: DDP needs it."""
    backbone = build(drop_path_rate=0.1, **OPTIONS[name])
    maps = backbone.train()(torch.randn(2, 3, 64, 96))
    width = 64 if backbone.decoder is None else 32
    fine = (16, 32) if backbone.adaptor is None else (64, 64)
    assert [tuple(x.shape) for x in maps] == [(2, fine[0], 16, 24),
                                              (2, fine[1], 8, 12),
                                              (2, width, 4, 6),
                                              (2, width, 2, 3)]
    scalar(maps).backward()
    for key, param in backbone.named_parameters():
        assert (param.grad is not None) == param.requires_grad, key
    frozen = {key for key, param in backbone.named_parameters()
              if not param.requires_grad}  # yapf: disable
    assert all(key.endswith('pos_embed.table') for key in frozen)


def test_checkpointing_changes_no_number():
    plain, saving = build(), build(with_cp=True)
    saving.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 64, 64)
    noise = torch.rand(1, 16)
    for backbone in (plain, saving):
        backbone.train()
        scalar(backbone(image, noise)).backward()
    for ours, theirs in zip(plain.parameters(), saving.parameters()):
        if ours.requires_grad:
            assert torch.equal(ours.grad, theirs.grad)


def test_checkpointing_saves_memory():
    """Fewer values are held for the backward pass."""
    held = []
    for with_cp in (False, True):
        backbone = build(with_cp=with_cp).train()
        count = 0

        def pack(tensor):
            nonlocal count
            count += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            backbone(torch.randn(1, 3, 64, 64))
        held.append(count)
    assert held[1] < held[0] / 2


@pytest.mark.parametrize('fill', ['stem', 'mask_token'])
def test_mixed_precision(fill):
    """Under autocast the maps and gradients stay near those of float32."""
    backbone = build(
        test_sample_ratio=0.5, decoder=dict(TINY_DECODER, fill=fill)).eval()
    images, noise = torch.randn(1, 3, 64, 96), torch.rand(1, 24)
    exact = backbone(images, noise)
    with torch.autocast('cpu', torch.bfloat16):
        maps = backbone(images, noise)
    for ours, theirs in zip(maps, exact):
        assert (ours.float() - theirs).norm() < 0.05 * theirs.norm()
    scalar(maps).backward()
    assert all(param.grad.isfinite().all() for param in backbone.parameters()
               if param.requires_grad)


def test_ratios_apply_apart():
    backbone = build(sample_ratio=0.25, test_sample_ratio=0.75)
    seen = []
    backbone.encoder.norm.register_forward_hook(
        lambda module, args, out: seen.append(out.shape[1]))
    for training in (True, False):
        backbone.train(training)(torch.randn(1, 3, 64, 64))
    assert seen == [4, 12]


def test_full_test_ratio_needs_no_sizes():
    """At ratio 1 padded images and a plain tensor give the same."""
    backbone = build().eval()
    images = torch.randn(2, 3, 64, 96)
    padded = PaddedImages(images, ((40, 96), (64, 33)))
    for ours, theirs in zip(backbone(images), backbone(padded)):
        assert torch.equal(ours, theirs)


def test_what_is_sampled_changes_c4_only():
    backbone = build(test_sample_ratio=0.5).eval()
    images = torch.randn(1, 3, 64, 64)
    noise = torch.rand(2, 1, 16)
    first, second = (backbone(images, n) for n in noise)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.allclose(first[2], second[2], atol=1e-3)


def test_order_of_sampled_tokens_is_irrelevant():
    backbone = build(test_sample_ratio=0.5).eval()
    images = torch.randn(1, 3, 64, 64)
    noise = torch.arange(16.)[None]
    other = noise.clone()
    other[0, :8] = noise[0, :8].flip(0)
    for ours, theirs in zip(backbone(images, noise), backbone(images, other)):
        torch.testing.assert_close(ours, theirs)


def test_very_different_images_train_together():
    """A 32-pixel-wide image beside one 1333 pixels wide."""
    backbone = build().train()
    batch = PaddedImages(torch.zeros(2, 3, 96, 1344), ((32, 32), (96, 1333)))
    batch.tensor[0, :, :32, :32].normal_()
    batch.tensor[1, :, :96, :1333].normal_()
    loss = scalar(backbone(batch))
    loss.backward()
    assert loss.isfinite()
    assert all(param.grad.isfinite().all() for param in backbone.parameters()
               if param.requires_grad)


@pytest.mark.parametrize('size', [(800, 1088), (32, 32), (96, 96), (32, 320)])
def test_any_image_size(size):
    with torch.no_grad():
        maps = build().eval()(torch.randn(1, 3, *size))
    assert [tuple(x.shape[2:]) for x in maps] == [
        tuple(side // stride for side in size) for stride in (4, 8, 16, 32)
    ]


@pytest.mark.parametrize('size', [(15, 15), (64, 100), (0, 32)])
def test_size_that_does_not_fit(size):
    with pytest.raises(ValueError, match='pad_size_divisor=32'):
        build()(torch.zeros(1, 3, *size))


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(arch='bse'), "did you mean 'base'"),
        (dict(arch=dict(channels=64)), 'arch lacks'),
        (dict(c5_pool='mean'), 'c5_pool'),
        (dict(decoder=dict(fill='zeros')), 'decoder.fill'),
        (dict(decoder=None), 'sample_ratio and test_sample_ratio must be 1'),
        # a testing ratio given to an encoder that has none
        (dict(window_size=7, sample_ratio=1., test_sample_ratio=.5),
         'window_size=7 sees all tokens.*found 1.0 and 0.5'),
        (dict(pyramid='vit'), "pyramid='vit' sees all tokens"),
        (dict(pyramid='vit', sample_ratio=1.), 'set decoder=None'),
        (dict(pyramid='fpn'), 'backbone.pyramid'),
        (dict(pyramid='vit', arch=dict(channels=64, depth=6,
                                       num_heads=4)), 'arch.depth is 6'),
        (dict(window_size=7, global_blocks=(4, ),
              sample_ratio=1.), 'from 0 to 3'),
        (dict(global_blocks=(1, )), 'needs a window_size'),
        (dict(img_size=100), 'backbone.img_size is 100x100'),
        (dict(sample_ratio=0.), 'backbone.sample_ratio'),
        (dict(test_sample_ratio=1.5), 'backbone.test_sample_ratio'),
    ])
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        build(**change)


def test_another_ratio_at_test():
    """The same as building with it; refused where all tokens are needed."""
    x = torch.randn(1, 3, 96, 96)
    backbone = build(test_sample_ratio=.5).eval()
    half = backbone(x)[2]
    backbone.sample_at_test(1.)
    assert backbone.sampling.test_ratio == 1 and backbone.sampling.ratio == .5
    assert (backbone(x)[2] != half).any()
    backbone.sample_at_test(.5)
    assert (backbone(x)[2] == half).all()

    backbone = build(window_size=3, sample_ratio=1.)
    with pytest.raises(ValueError, match='window_size=3 sees all tokens'):
        backbone.sample_at_test(.5)
    with pytest.raises(ValueError, match='must lie in'):
        backbone.sample_at_test(0.)
    assert backbone.sampling.test_ratio == 1


def test_tokens_of_other_windows_are_not_seen():
    """The last token moves its window, or all with a global block."""
    for global_blocks in ((), (3, )):
        backbone = build(
            window_size=4,
            global_blocks=global_blocks,
            decoder=None,
            sample_ratio=1.).eval()
        x_BLC = torch.randn(1, 64, 64)
        other = x_BLC.clone()
        other[:, -1] += 1
        mask = backbone.sampling(1, (8, 8), False, 'cpu')
        with torch.no_grad():
            (first, ), (second, ) = (
                backbone.encoder(x, mask, ()) for x in (x_BLC, other))
        moved = (first != second).any(2).view(8, 8)
        assert moved[4:, 4:].all()
        assert bool(moved[:4].any()) == bool(global_blocks)


def test_convnext_stem_takes_pretrained_weights(tmp_path):
    """The first stages and the third downsampling layer of a ConvNeXt."""
    net = ConvNeXt(arch=dict(depths=[1, 2, 1, 1], channels=[16, 32, 64, 128]))
    weights = {f'backbone.{key}': value
               for key, value in net.state_dict().items()}  # yapf: disable
    path = tmp_path / 'convnext.pth'
    torch.save(dict(state_dict=weights), path)
    stem = MODELS.build(
        dict(
            CONVNEXT,
            out_channels=64,
            init_cfg=dict(
                type='Pretrained', prefix='backbone.', checkpoint=str(path))))
    stem.init_weights()
    for key, value in stem.state_dict().items():
        assert torch.equal(value, weights[f'backbone.{key}']), key
    net.eval(), stem.eval()
    image = torch.randn(1, 3, 64, 64)
    fine = net.stages[0](net.downsample_layers[0](image))
    assert torch.equal(stem(image)[0], fine)


# totals of the detectors that sections 4 and 8 of the specification derive
# from Tables 7 and 8, and the maps' channels
TABLES = {
    'table 7, 1 layer': (dict(decoder=dict(depth=1)), 512, 118_104_400),
    'table 7, 2 layers': (dict(decoder=dict(depth=2)), 512, 121_256_784),
    'table 7, 4 layers': (dict(), 512, 127_561_552),
    'table 7, 8 layers': (dict(decoder=dict(depth=8)), 512, 140_171_088),
    'table 8, row 3': (dict(window_size=7, sample_ratio=1., decoder=None),
                       768, 113_407_312),
    'table 8, row 4': (dict(window_size=7, sample_ratio=1., decoder=None,
                            pyramid='vit'), None, 120_734_800),
}  # yapf: disable


@pytest.mark.parametrize('name', TABLES)
def test_parameters_of_the_papers_tables(name):
    changes, width, total = TABLES[name]
    if changes.get('decoder', True) is not None:
        changes = dict(
            changes,
            decoder=dict(changes.get('decoder', {}), fill='mask_token'))
    channels = [192, 384, width, width] if width else [768] * 4
    with torch.device('meta'):
        model = build_detector(dict(type='MIMDetViT', **changes), channels)
    assert sum(p.numel() for p in model.parameters()) == total


def test_convnext_stem_size():
    """Counted from the published architecture (Table 5)."""
    stem = MODELS.build(dict(type='ConvNeXtStem', out_channels=768))
    last = sum(p.numel() for p in stem.downsample_layers[2].parameters())
    total = sum(p.numel() for p in stem.parameters())
    assert last == 768 * 384 * 4 + 768 + 2 * 384
    assert round((total - last) / 1e6, 2) == 4.83


def test_layer_depths():
    """Stem and positions, block by block, then what follows the encoder."""
    backbone = build()
    depths = {
        name: backbone.get_layer_depth(f'backbone.{name}', 'backbone.')
        for name, _ in backbone.named_parameters()
    }
    assert {count for _, count in depths.values()} == {6}
    for name, (depth, _) in depths.items():
        part = name.split('.')
        expected = 5
        if part[:2] == ['encoder', 'blocks']:
            expected = int(part[2]) + 1
        elif part[0] == 'stem' or part[:2] == ['encoder', 'pos_embed']:
            expected = 0
        assert depth == expected, name
    assert backbone.get_layer_depth('neck.x', 'backbone.') == (5, 6)
    assert backbone.get_layer_depth('stem.proj.weight') == (0, 6)


def test_layer_decay_of_a_detector():
    """The constructor of the toolbox-wide layer decay asks the backbone."""
    model = build_detector(tiny(), TINY_CHANNELS, **NARROW)
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1., weight_decay=0.1),
            constructor='BackboneLayerDecay',
            paramwise_cfg=dict(layer_decay_rate=.5)))
    rates = {group['lr'] for group in wrapper.optimizer.param_groups}
    assert rates == {.5**k for k in range(6)}
