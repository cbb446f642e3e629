"""Backbones of detection and segmentation against the official numbers.

Everything goes through the conversion tables, as in ``test_parity.py``.
"""
import pytest
import torch
from golden import Fixture, assert_summary, hash_input, hash_weight
from models import arch_of

from projects.common.checkpoint import load_state_dict
from projects.convmae import ConvViT
from projects.convmae.convert import convert

# What the official names of each kind start with.
PREFIX = {
    'det-fpn': 'backbone.bottom_up.',
    'det-sfp': 'backbone.net.',
    'seg': 'backbone.',
}
DET_FPN = dict(
    img_size=1024,
    window_size=16,
    global_blocks=(0, 3, 6, 10),
    rel_pos='shared',
    pos_trainable=False,
    out_indices=(0, 1, 2, 3))
DET_SFP = dict(
    rel_pos_size=1024,
    window_size=14,
    global_blocks=(1, 4, 7, 10),
    rel_pos='decomposed',
    conv_eps=1e-6)
SEG = dict(
    img_size=512,
    rel_pos='per_block',
    layer_scale=1.,
    attn_eps=1e-5,
    down4='conv',
    norm_cfg=dict(type='BN'),
    out_indices=(0, 1, 2, 3))


def build(kind, config):
    """Backbone of a fixture."""
    if kind == 'seg':
        arch, _ = arch_of(config)
        return ConvViT(arch, **SEG | dict(img_size=config['img_size'][0]))
    sizes = config.get('hard_coded_overrides')
    settings = DET_FPN | dict(window_size=config['window_size'])
    if sizes is None:
        return ConvViT('base', **settings)
    arch, _ = arch_of(dict(sizes, depth=(2, 2, 11)))
    return ConvViT(arch, **settings | dict(img_size=sizes['img_size'][0]))


def ours(official, kind):
    """Converted tensors by the backbone's names."""
    prefixed = {PREFIX[kind] + key: value for key, value in official.items()}
    converted = convert(prefixed, kind)
    return {name.removeprefix('backbone.'): value
            for name, value in converted.items()}  # yapf: disable


def load(model, official, kind):
    """Strictly load converted official weights."""
    result = model.load_state_dict(ours(official, kind), strict=False)
    assert not result.unexpected_keys
    assert set(result.missing_keys) <= {'down4.bn.num_batches_tracked'}


def official_gradients(model, kind):
    gradients = {
        f'backbone.{name}': param.grad
        for name, param in model.named_parameters() if param.grad is not None
    }
    converted = convert(gradients, kind, backward=True)
    return {name.removeprefix(PREFIX[kind]): value
            for name, value in converted.items()}  # yapf: disable


@pytest.mark.parametrize('kind, name', [
    ('det-fpn', 'convmae_det_tiny'),
    ('det-fpn', 'convmae_det_tiny_epsprobe'),
    pytest.param('det-fpn', 'convmae_det_base', marks=pytest.mark.slow),
    ('seg', 'convmae_seg_tiny'),
    ('seg', 'convmae_seg_tiny_epsprobe'),
    ('seg', 'convmae_seg_base'),
])
def test_fixture(kind, name):
    fixture = Fixture(name)
    info = fixture.info
    model = build(kind, info['config']).eval()
    load(model, fixture.state_dict(), kind)
    params = list(model.parameters())
    assert sum(p.numel() for p in params) == info['param_count_all']
    trainable = sum(p.numel() for p in params if p.requires_grad)
    assert trainable == info['param_count_trainable']

    with_gradients = 'gradients' in info
    with torch.set_grad_enabled(with_gradients):
        maps = model(fixture.input('imgs'))
    letter = 'out' if kind == 'seg' else 's'
    named = {f'{letter}{index}': x for index, x in enumerate(maps)}
    for key, value in named.items():
        fixture.check(key, value)
    if with_gradients:
        sum((value * fixture.cotangent(key)).mean()
            for key, value in named.items()).backward()
        fixture.check_gradients(official_gradients(model, kind))


def test_pretraining_checkpoint_into_detection_backbone():
    """Which tensors are taken, and the resized position embedding."""
    fixture = Fixture('load_convmae_into_det_backbone')
    info = fixture.info
    shapes = info['config']['checkpoint_keys']
    fixture.info = dict(info, state_dict=shapes)
    checkpoint = convert(fixture.state_dict(), 'pretrain')
    model = build('det-fpn', info['config']['args'])
    before = {
        name: value.clone()
        for name, value in model.state_dict().items()
    }
    report = load_state_dict(
        model, checkpoint, 'fixture', prefix='backbone.', min_coverage=0.)
    origin = {
        key: where
        for key, where in info['origin_of_each_tensor'].items()
        if where != 'integer buffer'
    }
    names = [*ours(dict.fromkeys(origin, torch.zeros(1)), 'det-fpn')]
    origin = dict(zip(names, origin.values()))
    assert {*report.loaded, *report.resized} == {
        name
        for name, where in origin.items() if 'init' not in where
    }
    assert report.resized == ['pos_embed']
    after = model.state_dict()
    assert after.keys() == origin.keys()
    for name, where in origin.items():
        expected = checkpoint[f'backbone.{name}'] \
            if where == 'copied' else before[name]
        if name != 'pos_embed':
            assert torch.equal(after[name], expected), name
    fixture.check('tensor.pos_embed', after['pos_embed'])


# --- verification kit of the specification: float64, tolerance 1e-6 ---


def kit_model(kind, settings):
    """Base backbone with hash weights, float64."""
    model = ConvViT('base', **settings)
    gradient_free = {
        f'backbone.{name}': value
        for name, value in model.state_dict().items()
        if not name.endswith('num_batches_tracked')
    }
    shapes = {
        name.removeprefix(PREFIX[kind]): value.shape
        for name, value in convert(gradient_free, kind, backward=True).items()
    }
    weights = {key: hash_weight(key, shape) for key, shape in shapes.items()}
    model = model.double().eval()
    load(model, weights, kind)
    return model


@pytest.mark.slow
@torch.no_grad()
def test_kit_det_fpn():
    maps = kit_model('det-fpn', DET_FPN)(hash_input((1, 3, 1024, 1024)))
    expected = [
        (0.31669410, 1.80540638, 1.02683955, -0.28406861, 0.83972075,
         -0.03695573),
        (0.31749892, 1.77953591, -0.64124363, 2.00667087, -1.94695065,
         1.12592689),
        (-0.08771562, 3.86361654, -2.77933132, -8.59877698, -0.75144503,
         -2.53756705),
        (1.05471565, 3.78148624, -1.19937704, -8.38240258, -0.75144503,
         -1.86897969),
    ]
    for value, summary in zip(maps, expected, strict=True):
        assert_summary(value, summary)


@pytest.mark.parametrize('size, expected', [
    pytest.param((1024, 1024), (-0.10202772, 3.71662562, -2.74565694,
                                -8.97167903, -1.31760366, -4.22239581),
                 marks=pytest.mark.slow),
    ((512, 640), (-0.09543302, 3.67533746, -1.80277825, -5.55667180,
                  -1.14225250, -3.56654597)),
])  # yapf: disable
@torch.no_grad()
def test_kit_det_sfp(size, expected):
    value, = kit_model('det-sfp', DET_SFP)(hash_input((1, 3, *size)))
    assert_summary(value, expected)


@torch.no_grad()
def test_kit_seg():
    maps = kit_model('seg', SEG)(hash_input((1, 3, 512, 512)))
    expected = [
        (0.31543518, 1.79918580, 2.10209612, -1.31923666, -1.72288553,
         -2.39910838),
        (0.31837067, 1.77076874, 0.05331608, 0.31206356, -0.10029844,
         0.01389413),
        (-0.07787594, 3.86849717, -5.58341863, -9.73411676, 0.67100154,
         -3.60567141),
        (1.51797215, 2.29028283, -0.00105570, -0.12336829, -0.00014331,
         0.16355201),
    ]
    for value, summary in zip(maps, expected, strict=True):
        assert_summary(value, summary)


@pytest.mark.parametrize('settings, count', [(DET_FPN, 87_804_568),
                                             (DET_SFP, 84_693_504),
                                             (SEG, 91_091_716)])
def test_parameter_counts(settings, count):
    with torch.device('meta'):
        model = ConvViT('base', **settings)
    assert sum(param.numel() for param in model.parameters()) == count
