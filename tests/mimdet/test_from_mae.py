"""What becomes of an MAE checkpoint: the published code's choices, errors."""
import pytest
import torch
from golden import Fixture, fan_in_weight
from mimdet_models import TINY_DECODER, benchmarking_config, tiny
from mmengine.registry import MODELS

from projects.mimdet.convert import convert


def checkpoint_of(fixture):
    """The checkpoint that a loading fixture speaks of."""
    config, salt = fixture.info['config'], fixture.info['salt']
    return {
        key: fan_in_weight(key, shape, salt)
        for key, shape in config['checkpoint_keys'].items()
    }


def save(tensors, path, container='model'):
    torch.save({container: tensors}, path)
    return str(path)


def official(backbone):
    """A backbone's state under the official names, ``encoder.*`` and so on."""
    ours = {f'backbone.{key}': value
            for key, value in backbone.state_dict().items()}  # yapf: disable
    result = convert(ours, 'mimdet', backward=True)
    prefix = 'backbone.bottom_up.'
    return {key.removeprefix(prefix): result[key] for key in result}


def build(fixtures, checkpoint, **init_cfg):
    encoder, decoder = (f.info['config']['args'] for f in fixtures)
    backbone = MODELS.build(
        dict(
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
            init_cfg=dict(
                type='Pretrained', checkpoint=checkpoint, **init_cfg)))
    backbone.init_weights()
    return backbone


@pytest.mark.parametrize('layout', ['official', 'mmpretrain'])
def test_origin_of_every_tensor(layout, tmp_path):
    """Copied, resampled or new, as in the published construction code."""
    fixtures = [Fixture(f'load_mae_into_mimdet_{part}')
                for part in ('encoder', 'decoder')]  # yapf: disable
    source = checkpoint_of(fixtures[0])
    if layout == 'official':
        path = save(source, tmp_path / 'mae.pth')
    else:
        path = save(convert(source), tmp_path / 'mae.pth', 'state_dict')
    backbone = official(build(fixtures, path))
    for part, fixture in zip(('encoder', 'decoder'), fixtures):
        assert fixture.info['salt'] == fixtures[0].info['salt']
        for name, origin in fixture.info['origin_of_each_tensor'].items():
            value = backbone.pop(f'{part}.{name}')
            if origin == 'copied':
                assert torch.equal(value, source[name]), name
            elif origin.startswith('derived'):
                fixture.check(f'tensor.{name}', value)
            elif origin == 'constant initialisation':
                assert value.unique().numel() == 1, name
                assert float(value[0]) == name.endswith('.weight'), name
            else:
                assert origin == 'random initialisation'
                assert value.std() > 0, name
    assert not backbone


@pytest.fixture(scope='module')
def mae():
    """A full MAE of the tiny architecture with two decoder blocks."""
    shapes = Fixture('keys_mae_base_full').info['keys']
    kept = [key for key in shapes
            if not key.startswith(tuple(f'blocks.{n}.' for n in range(4, 12)))
            and not key.startswith(
                tuple(f'decoder_blocks.{n}.'
                      for n in range(2, 8)))]  # yapf: disable
    widths = {768: 64, 2304: 192, 3072: 256, 512: 32, 1536: 96, 2048: 128}
    tensors = {}
    for key in kept:
        shape = [widths.get(side, side) for side in shapes[key]]
        if key.startswith('decoder_pred'):
            shape[0] = 768
        tensors[key] = fan_in_weight(key, shape)
    return tensors


def start(path, **changes):
    allow = changes.pop('allow_missing_decoder', False)
    backbone = MODELS.build(
        tiny(
            init_cfg=dict(
                type='Pretrained',
                checkpoint=path,
                allow_missing_decoder=allow),
            **changes))
    backbone.init_weights()
    return backbone


def test_full_file_and_own_weights(mae, tmp_path):
    path = save(mae, tmp_path / 'full.pth')
    first = start(path).eval()
    assert torch.equal(first.encoder.blocks[3].ffn.fc2.weight,
                       mae['blocks.3.mlp.fc2.weight'])
    assert first.encoder.pos_embed.table.shape == (1, 37, 64)
    # a detector of ours: the backbone's own names
    own = {f'backbone.{key}': value
           for key, value in first.state_dict().items()}  # yapf: disable
    config = tiny(
        init_cfg=dict(
            type='Pretrained',
            checkpoint=save(own, tmp_path / 'own.pth', 'state_dict'),
            prefix='backbone.'))
    second = MODELS.build(config)
    second.init_weights()
    image = torch.randn(1, 3, 64, 96)
    for ours, theirs in zip(first(image), second.eval()(image)):
        assert torch.equal(ours, theirs)


def test_mask_token_is_taken(mae, tmp_path):
    path = save(mae, tmp_path / 'full.pth')
    backbone = start(path, decoder=dict(TINY_DECODER, fill='mask_token'))
    assert torch.equal(backbone.decoder.mask_token, mae['mask_token'])


@pytest.mark.parametrize('depth', [0, 1, 2])
def test_first_decoder_blocks_are_taken(mae, tmp_path, depth):
    path = save(mae, tmp_path / 'full.pth')
    backbone = start(path, decoder=dict(TINY_DECODER, depth=depth))
    assert len(backbone.decoder.blocks) == depth
    for index, block in enumerate(backbone.decoder.blocks):
        assert torch.equal(block.attn.proj.weight,
                           mae[f'decoder_blocks.{index}.attn.proj.weight'])
    assert torch.equal(backbone.decoder.norm.bias, mae['decoder_norm.bias'])


def test_decoder_deeper_than_the_checkpoints(mae, tmp_path):
    path = save(mae, tmp_path / 'full.pth')
    with pytest.raises(
            ValueError, match='4 encoder and 2 decoder blocks') as error:
        start(path, decoder=dict(TINY_DECODER, depth=3))
    assert 'decoder.blocks.2.ln1.weight' in str(error.value)


def test_other_depth_or_width(mae, tmp_path):
    path = save(mae, tmp_path / 'full.pth')
    with pytest.raises(ValueError, match='4 encoder and 2 decoder blocks'):
        start(path, arch=dict(channels=64, depth=5, num_heads=4))
    with pytest.raises(ValueError, match='another shape') as error:
        start(path, arch=dict(channels=32, depth=4, num_heads=4))
    assert '(1, 197, 64) for (1, 37, 32)' in str(error.value)
    with pytest.raises(ValueError, match='another shape'):
        start(path, decoder=dict(channels=64, depth=2, num_heads=4))


def encoder_of(mae):
    """What the released file without decoder holds."""
    return {
        key: value
        for key, value in mae.items()
        if 'decoder' not in key and key != 'mask_token'
    }


def test_missing_decoder(mae, tmp_path):
    path = save(encoder_of(mae), tmp_path / 'encoder.pth')
    with pytest.raises(ValueError, match='holds no decoder.*_full.pth'):
        start(path)
    backbone = start(path, allow_missing_decoder=True)
    assert torch.equal(backbone.encoder.norm.bias, mae['norm.bias'])
    assert backbone.decoder.embed.weight.std() > 0
    assert backbone.decoder.embed.bias.abs().sum() == 0


def test_no_decoder_wanted(mae, tmp_path):
    path = save(encoder_of(mae), tmp_path / 'encoder.pth')
    backbone = start(path, decoder=None, sample_ratio=1.)
    assert torch.equal(backbone.encoder.norm.bias, mae['norm.bias'])


def test_foreign_file(tmp_path):
    path = save({'conv1.weight': torch.zeros(3)}, tmp_path / 'resnet.pth')
    with pytest.raises(ValueError, match='covers too little|conv1'):
        start(path)


# --- the baseline ---


@pytest.mark.parametrize('name', [
    'load_mae_into_benchmarking_vit_sincos',
    'load_mae_into_benchmarking_vit_learned',
    'load_relbias_into_benchmarking_vit'
])
def test_origin_of_every_tensor_of_the_baseline(name, tmp_path):
    fixture = Fixture(name)
    source = checkpoint_of(fixture)
    config = benchmarking_config(fixture.info['config']['args'])
    config['init_cfg'] = dict(
        type='Pretrained', checkpoint=save(source, tmp_path / 'mae.pth'))
    backbone = MODELS.build(config)
    backbone.init_weights()
    ours = {f'backbone.{key}': value
            for key, value in backbone.state_dict().items()}  # yapf: disable
    official = convert(ours, 'benchmarking-vit', backward=True)
    for key, origin in fixture.info['origin_of_each_tensor'].items():
        value = official.pop(f'backbone.bottom_up.{key}')
        if origin == 'copied':
            assert torch.equal(value, source[key]), key
        elif origin.startswith('derived'):
            fixture.check(f'tensor.{key}', value)
        elif origin == 'constant initialisation':
            one = key.endswith('.weight')  # of a norm
            assert value.unique().tolist() == [float(one)], key
        elif origin == 'random initialisation':
            assert value.std() > 0, key
        else:
            assert origin == 'integer buffer'
    assert not official


def test_baseline_refuses_an_mae_of_another_width(mae, tmp_path):
    path = save(mae, tmp_path / 'mae.pth')
    config = dict(
        type='BenchmarkingViT', img_size=64, window_size=2,
        arch=dict(channels=32, depth=4, num_heads=4),
        init_cfg=dict(type='Pretrained', checkpoint=path))  # yapf: disable
    with pytest.raises(ValueError, match='another shape'):
        MODELS.build(config).init_weights()
