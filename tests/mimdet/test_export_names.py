"""MAE's encoder under the names of timm and of mmpretrain."""
import pytest
import torch
import torch.nn.functional as F
from golden import Fixture
from mimdet_models import build_mae
from mmpretrain.registry import MODELS
from official_files import tiny_weights
from tooling import run_tool

FIXTURE = Fixture('mae_tiny')


def timm_vit(weights, x_NCHW, num_heads, eps):
    """A plain ViT from its definition, with timm's names; (N, 1 + L, C)."""

    def linear(name, x):
        return F.linear(x, weights[f'{name}.weight'], weights[f'{name}.bias'])

    def norm(name, x):
        return F.layer_norm(x, x.shape[-1:], weights[f'{name}.weight'],
                            weights[f'{name}.bias'], eps)

    kernel = weights['patch_embed.proj.weight']
    x = F.conv2d(
        x_NCHW,
        kernel,
        weights['patch_embed.proj.bias'],
        stride=kernel.shape[-1]).flatten(2).mT
    x = torch.cat([weights['cls_token'].expand(len(x), -1, -1), x], 1)
    x = x + weights['pos_embed']
    depth = 1 + max(
        int(name.split('.')[1]) for name in weights if name[:7] == 'blocks.')
    for block in (f'blocks.{index}' for index in range(depth)):
        qkv = linear(f'{block}.attn.qkv', norm(f'{block}.norm1', x))
        q, k, v = (
            part.unflatten(-1, (num_heads, -1)).transpose(1, 2)
            for part in qkv.chunk(3, -1))
        weight = (q @ k.mT / q.shape[-1]**0.5).softmax(-1)
        mixed = (weight @ v).transpose(1, 2).flatten(2)
        x = x + linear(f'{block}.attn.proj', mixed)
        hidden = F.gelu(linear(f'{block}.mlp.fc1', norm(f'{block}.norm2', x)))
        x = x + linear(f'{block}.mlp.fc2', hidden)
    return norm('norm', x)


def vision_transformer(config):
    """mmpretrain's counterpart, with all tokens as output."""
    width = config['embed_dim']
    model = MODELS.build(
        dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(
                embed_dims=width,
                num_layers=config['depth'],
                num_heads=config['num_heads'],
                feedforward_channels=4 * width),
            img_size=config['img_size'],
            patch_size=config['patch_size'],
            out_type='raw'))
    model.eval()
    return model


@pytest.fixture
def files(tmp_path):
    """The official file and ours."""
    weights = tiny_weights(FIXTURE.name)
    official, ours = tmp_path / 'official.pth', tmp_path / 'ours.pth'
    torch.save(dict(model=weights), official)
    run('convert_checkpoint.py', official, ours)
    build_mae(FIXTURE.info['config']).load_state_dict(
        torch.load(ours)['state_dict'])
    return official, ours


def run(*args):
    done = run_tool(*args)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('number', [0, 1], ids=['official', 'ours'])
def test_outputs_are_equal(files, tmp_path, number):
    config = FIXTURE.info['config']
    timm, theirs = tmp_path / 'timm.pth', tmp_path / 'mmpretrain.pth'
    run('convert_checkpoint.py', files[number], timm, '--to', 'timm')
    run('convert_checkpoint.py', files[number], theirs, '--to', 'mmpretrain')

    model = vision_transformer(config)
    weights = {
        name.removeprefix('backbone.'): value
        for name, value in torch.load(theirs)['state_dict'].items()
    }
    model.load_state_dict(weights)  # strict
    images = torch.randn(2, 3, config['img_size'], config['img_size'])
    with torch.no_grad():
        ours, = model(images)  # N1+LC
        expected = timm_vit(
            torch.load(timm), images, config['num_heads'], eps=1e-6)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_timm_itself(files, tmp_path):
    timm = pytest.importorskip('timm')
    config = FIXTURE.info['config']
    path = tmp_path / 'timm.pth'
    run('convert_checkpoint.py', files[0], path, '--to', 'timm')
    model = timm.models.VisionTransformer(
        img_size=config['img_size'],
        patch_size=config['patch_size'],
        embed_dim=config['embed_dim'],
        depth=config['depth'],
        num_heads=config['num_heads'],
        num_classes=0,
        global_pool='token').eval()
    model.load_state_dict(torch.load(path))
    images = torch.randn(2, 3, config['img_size'], config['img_size'])
    with torch.no_grad():
        torch.testing.assert_close(
            model.forward_features(images),
            timm_vit(torch.load(path), images, config['num_heads'], 1e-6),
            atol=1e-5,
            rtol=1e-5)
