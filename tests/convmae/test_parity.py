"""ConvMAE against the numbers of the official implementation.

Everything goes through the conversion tables: weights are made under the
official names and converted, gradients are converted back.
"""
import pytest
import torch
from golden import (Fixture, assert_summary, hash_input, hash_uniform,
                    hash_weight)
from mmengine.registry import MODELS
from models import build_classifier, build_pretrain

from projects.common.masking import DisjointTokenMasking, TokenMask
from projects.convmae.convert import convert


def load(model, official, kind, missing=()):
    """Strictly load converted official weights."""
    result = model.load_state_dict(convert(official, kind), strict=False)
    assert not result.unexpected_keys
    assert sorted(result.missing_keys) == sorted(missing)


def official_gradients(model, kind):
    ours = {
        name: param.grad
        for name, param in model.named_parameters() if param.grad is not None
    }
    return convert(ours, kind, backward=True)


PRETRAIN = [
    'convmae_pretrain_tiny_normpix', 'convmae_pretrain_tiny_rawpix',
    'convmae_pretrain_tiny_epsprobe', 'convmae_pretrain_base'
]


@pytest.mark.parametrize('name', PRETRAIN)
def test_pretraining(name):
    fixture = Fixture(name)
    info = fixture.info
    model = build_pretrain(info['config'])
    missing = [f'{"neck" if "decoder" in key else "backbone"}.{key}'
               for key in info['untouched_keys']]  # yapf: disable
    load(model, fixture.state_dict(), 'pretrain', missing)
    for key, ours in zip(info['untouched_keys'], missing):
        fixture.check_untouched(key, model.state_dict()[ours])
    count = sum(param.numel() for param in model.parameters())
    assert count == info['param_count_all']

    images = fixture.input('imgs')
    pred, mask = model.reconstruct(images, fixture.input('noise'))
    loss = model.head.loss(pred, images, mask)
    fixture.check('pred', pred)
    fixture.check('loss', loss)
    fixture.check('mask', mask.removed_BL.to(torch.uint8))
    encoded = model.backbone.encode(images, mask)
    fixture.check('latent', model.neck.fuse(encoded))
    if 'gradients' in info:
        loss.backward()
        fixture.check_gradients(official_gradients(model, 'pretrain'))
    model.head.norm_pix = not model.head.norm_pix
    fixture.check('loss_with_norm_pix_loss_flipped',
                  model.head.loss(pred, images, mask))


@pytest.mark.parametrize('size', [
    'tiny_gap', 'tiny_first_token', 'tiny_gap_epsprobe',
    'tiny_first_token_epsprobe', 'base_gap', 'base_first_token'
])
def test_classifier(size):
    fixture = Fixture(f'convvit_finetune_{size}')
    info = fixture.info
    config = info['config']
    kind = 'finetune' if config['global_pool'] else 'finetune-first-token'
    weights = fixture.state_dict()
    model = build_classifier(config, len(weights['head.bias']))
    load(model, weights, kind)
    count = sum(param.numel() for param in model.parameters())
    assert count == info['param_count_all']

    features = model.extract_feat(fixture.input('imgs'))
    logits = model.head(features)
    fixture.check('features', features[-1])
    fixture.check('logits', logits)
    if 'gradients' in info:
        labels = torch.tensor(config['labels'])
        torch.nn.functional.cross_entropy(logits, labels).backward()
        fixture.check_gradients(official_gradients(model, kind))


# --- verification kit of the specification: float64, tolerance 1e-6 ---


@pytest.fixture(scope='module')
def kit():
    """Base model with hash weights, input and noise, float64."""
    shapes = Fixture('keys_convmae_pretrain_base').info['keys']
    weights = {key: hash_weight(key, shape) for key, shape in shapes.items()}
    model = build_pretrain().double()
    load(model, weights, 'pretrain')
    noise = torch.from_numpy(hash_uniform('noise', 2 * 196)).reshape(2, 196)
    return model, hash_input((2, 3, 224, 224)), noise


@torch.no_grad()
def test_kit_pretraining(kit):
    model, images, noise = kit
    pred, mask = model.reconstruct(images, noise)
    assert mask.keep_BK[0, :6].tolist() == [192, 74, 58, 7, 49, 9]
    latent = model.neck.fuse(model.backbone.encode(images, mask))
    assert_summary(latent, (-0.00176960, 1.00566025, -1.24009276, -0.53291001,
                            -1.46553341, 0.14286585))
    assert_summary(pred, (-0.01056949, 0.96883603, -0.64111092, 1.99879840,
                          -0.58942577, -0.91144552))
    loss = model.head.loss(pred, images, mask)
    assert float(loss) == pytest.approx(1.9314642675, abs=1e-9)
    model.head.norm_pix = False
    raw = model.head.loss(pred, images, mask)
    model.head.norm_pix = True
    assert float(raw) == pytest.approx(2.2608574276, abs=1e-9)


@torch.no_grad()
def test_kit_without_multi_scale_decoder(kit):
    model, images, noise = kit
    plain = build_pretrain(fuse=False).double()
    weights = {
        key: value
        for key, value in model.state_dict().items() if 'fuse' not in key
    }
    plain.load_state_dict(weights)
    pred, mask = plain.reconstruct(images, noise)
    latent = plain.neck.fuse(plain.backbone.encode(images, mask))
    assert_summary(latent, (-0.00187334, 1.00757108, -1.53667504, -0.62228219,
                            -1.40940060, -1.08825111))
    loss = plain.head.loss(pred, images, mask)
    assert float(loss) == pytest.approx(1.9417347260, abs=1e-9)
    assert sum(p.numel() for p in plain.parameters()) == 110_714_496


@torch.no_grad()
def test_kit_masked_convolution_off(kit):
    model, images, noise = kit
    model.backbone.masked_conv = False
    pred, mask = model.reconstruct(images, noise)
    latent = model.neck.fuse(model.backbone.encode(images, mask))
    model.backbone.masked_conv = True
    assert_summary(latent, (-0.00197347, 1.00554938, 0.02402572, -1.05368306,
                            0.03754117, -0.83113302))
    loss = model.head.loss(pred, images, mask)
    assert float(loss) == pytest.approx(1.9336691332, abs=1e-9)


@torch.no_grad()
def test_kit_complementary_masks(kit):
    """One pass over four complementary views equals four passes."""
    model, images, noise = kit
    mask = DisjointTokenMasking(0.75, 4)(2, (14, 14), noise_BL=noise)
    pred = model.neck(model.backbone.encode(images, mask), mask, (14, 14))
    losses = [
        float(
            model.head.loss(pred[rows], images,
                            TokenMask(mask.keep_BK[rows], mask.grid)))
        for rows in (slice(2 * g, 2 * g + 2) for g in range(4))
    ]
    expected = [1.9314642674, 1.9294086571, 1.9386631042, 1.9227413867]
    assert losses == pytest.approx(expected, abs=1e-9)
    together = float(model.head.loss(pred, images, mask))
    assert together == pytest.approx(1.9305693539, abs=1e-9)


@torch.no_grad()
def test_kit_classifier():
    shapes = Fixture('keys_convvit_finetune_base').info['keys']
    weights = {key: hash_weight(key, shape) for key, shape in shapes.items()}
    model = build_classifier().double()
    load(model, weights, 'finetune')
    features = model.extract_feat(hash_input((2, 3, 224, 224)))
    assert_summary(features[-1], (-0.00117144, 1.00159709, -0.63158135,
                                  -0.15897231, -0.51401423, -1.07271387))
    assert_summary(
        model.head(features), (-0.02307477, 1.01242731, -0.91382686,
                               -1.39393710, -1.03975369, -1.08058531))


@pytest.mark.parametrize('arch, encoder', [('small', 21_942_528),
                                           ('base', 84_605_824),
                                           ('base*', 88_018_816),
                                           ('large', 321_952_384),
                                           ('huge', 679_457_792)])
def test_parameter_counts(arch, encoder):
    """Encoder with final norm, without head (specification 1.1)."""
    with torch.device('meta'):
        backbone = MODELS.build(dict(type='ConvViT', arch=arch))
    count = sum(param.numel() for param in backbone.parameters())
    assert count + 2 * backbone.channels[-1] == encoder
