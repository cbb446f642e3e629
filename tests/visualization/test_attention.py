"""Attention maps: true weights, of the right token, drawn where they belong.
"""
from pathlib import Path

import mmpretrain.models  # noqa: F401  (registers the ViT)
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.models.utils import MultiheadAttention
from PIL import Image
from tooling import run_tool
from torch import Tensor, nn

import projects.convmae  # noqa: F401
import projects.mimdet  # noqa: F401
from projects.analysis.encoders import Normalize, encode, load_backbone
from projects.common.attention import Attention, AxisAttention, TableAttention
from projects.common.rel_pos import SharedTable
from projects.engine import launch
from projects.extrema.backbone import ClassAttention
from projects.visualization.attention import (CLASS_COLOUR, COLOURS,
                                              attention_maps, draw_maps,
                                              parse_points)
from projects.visualization.attention_weights import (AttentionRecorder,
                                                      class_attention,
                                                      last_attention)

CONFIG = 'configs/convmae/demo/convmae_tiny_1xb32-coslr-6k_shapes.py'
SPAN = (3, 4)  # rows and columns of tokens
C, M = 16, 2  # channels, heads


def randomize(module: nn.Module) -> nn.Module:
    """Weights with which attention is far from uniform."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.double().eval()


def values(attn: nn.Module, x_BNC: Tensor) -> Tensor:
    """Values (B, M, N, D) of any of the modules."""
    v_BNC = attn.v(x_BNC) if hasattr(attn, 'v') else attn.qkv(x_BNC).chunk(
        3, dim=2)[2]
    return v_BNC.unflatten(2, (attn.num_heads, -1)).transpose(1, 2)


def shared_bias():
    return randomize(SharedTable(SPAN, M))(SPAN)


INSIDE = torch.ones(2, 12, dtype=torch.bool)
INSIDE[1, 5:] = False
CASES = {
    'plain': (lambda: Attention(C, M), dict),
    'inside': (lambda: Attention(C, M), lambda: dict(inside_BN=INSIDE)),
    'table': (lambda: TableAttention(C, M, SPAN), lambda: dict(span=SPAN)),
    'axis': (lambda: AxisAttention(C, M, SPAN), lambda: dict(span=SPAN)),
    'axis inside': (lambda: AxisAttention(C, M, SPAN),
                    lambda: dict(span=SPAN, inside_BN=INSIDE)),
    'shared': (lambda: Attention(C, M),
               lambda: dict(span=SPAN, bias=shared_bias())),
    'mmpretrain': (lambda: MultiheadAttention(C, M), dict),
    'mmpretrain scaled': (lambda: MultiheadAttention(C, M, qk_scale=2.), dict),
    'class token': (lambda: ClassAttention(C, M), dict),
}  # yapf: disable


@pytest.mark.parametrize('name', CASES)
def test_weights_are_those_that_the_module_used(name: str) -> None:
    """They sum to one, and times the values they give its output."""
    make, arguments = CASES[name]
    attn = randomize(make())
    recorder = AttentionRecorder(attn)
    x_BNC = torch.randn(2, 12, C, dtype=torch.float64)
    arguments = arguments()
    out_BQC = attn(x_BNC, **arguments)
    weights_BMQN = recorder.weights_BMQN
    queries = out_BQC.shape[1]
    assert weights_BMQN.shape == (2, M, queries, 12)
    torch.testing.assert_close(
        weights_BMQN.sum(-1), torch.ones_like(weights_BMQN[..., 0]))
    assert weights_BMQN.std() > 0.05  # not uniform
    if 'inside_BN' in arguments:
        assert (weights_BMQN[1, ..., 5:] == 0).all()
    seen_BMQD = weights_BMQN @ values(attn, x_BNC)
    again_BQC = attn.proj(seen_BMQD.transpose(1, 2).flatten(2))
    torch.testing.assert_close(again_BQC, out_BQC)

    recorder.remove()
    attn(torch.zeros_like(x_BNC), **arguments)
    assert recorder.weights_BMQN is weights_BMQN


def test_unknown_attention_is_told() -> None:
    with pytest.raises(ValueError, match='Linear is no attention .* known'):
        AttentionRecorder(nn.Linear(2, 2))
    with pytest.raises(ValueError, match='Conv2d has no self-attention'):
        last_attention(nn.Conv2d(3, 3, 1))


VIT = dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=32)
PLAIN = dict(channels=32, depth=4, num_heads=2)
BACKBONES = {
    'ConvViT': dict(
        type='ConvViT', arch='tiny', img_size=64, rel_pos='per_block'),
    'ClassAttentionViT': dict(
        type='ClassAttentionViT', arch=PLAIN, img_size=64),
    'vit token': dict(
        type='ClassAttentionViT', arch=PLAIN, img_size=64, token_mode='vit'),
    'MIMDetViT': dict(
        type='MIMDetViT', arch=PLAIN, img_size=64,
        decoder=dict(channels=16, depth=1, num_heads=2)),
    'BenchmarkingViT': dict(
        type='BenchmarkingViT', arch=PLAIN, img_size=64, window_size=2),
    'VisionTransformer': dict(
        type='mmpretrain.VisionTransformer', arch=VIT, img_size=64),
    'without class token': dict(
        type='mmpretrain.VisionTransformer', arch=VIT, img_size=64,
        with_cls_token=False, out_type='featmap'),
    'MAEViT': dict(type='mmpretrain.MAEViT', arch=VIT, img_size=64),
}  # yapf: disable
HAVE_CLASS = {'ClassAttentionViT', 'vit token', 'VisionTransformer', 'MAEViT'}


def normalize(rgb_BCHW: Tensor) -> Tensor:
    return rgb_BCHW.float() / 64 - 2


def build(name: str) -> nn.Module:
    torch.manual_seed(3)
    init_default_scope('mmengine')
    backbone = MODELS.build(BACKBONES[name])
    backbone.init_weights()
    for parameter in backbone.parameters():
        parameter.data += torch.randn_like(parameter) / 10
    backbone.eval()  # mmpretrain's backbones return nothing
    return backbone


@pytest.fixture(scope='module')
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(
        0, 256, (64, 96, 3), dtype=np.uint8)


@pytest.mark.parametrize('name', BACKBONES)
def test_maps_of_every_backbone(name: str, picture: np.ndarray) -> None:
    """Rows of the last block's matrix, for the tokens under the points."""
    backbone = build(name)
    maps = attention_maps(backbone, normalize, picture, [(90, 20), (0, 63)])
    assert maps.maps_QYX.shape == (2, 4, 6)
    assert maps.points == [(88, 24), (8, 56)]  # centres of the tokens

    recorder = AttentionRecorder(last_attention(backbone))
    x = normalize(torch.from_numpy(picture).permute(2, 0, 1)[None])
    encode(backbone, x)
    weights_NN = recorder.weights_BMQN[0].mean(0)
    extra = len(weights_NN) - 24
    assert extra == (name in HAVE_CLASS - {'ClassAttentionViT'})
    for map_YX, token in zip(maps.maps_QYX, (1 * 6 + 5, 3 * 6)):
        row_N = weights_NN[extra + token]
        assert row_N.sum().item() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(
            map_YX.flatten(), row_N[extra:].numpy(), rtol=1e-6)
    assert (maps.class_YX is not None) == (name in HAVE_CLASS)


def test_tokens_that_attend_to_themselves_are_seen_in_place() -> None:
    """Queries and keys are positions, so every map peaks at its query."""
    arch = dict(channels=64, depth=1, num_heads=1)
    backbone = MODELS.build(
        dict(type='ClassAttentionViT', arch=arch, img_size=96))
    nn.init.zeros_(backbone.patch_embed.weight)
    nn.init.zeros_(backbone.patch_embed.bias)
    qkv = backbone.blocks[0].attn.qkv
    qkv.weight.data = torch.eye(64).repeat(3, 1) * 3
    nn.init.zeros_(qkv.bias)
    image = np.zeros((64, 128, 3), np.uint8)
    points = [(5, 60), (120, 3), (70, 40)]
    maps = attention_maps(backbone.eval(), normalize, image, points)
    peaks = [divmod(int(map_YX.argmax()), 8)[::-1] for map_YX in maps.maps_QYX]
    assert peaks == [(x // 16, y // 16) for x, y in points]


def test_class_layers_of_extrema(picture: np.ndarray) -> None:
    """Each layer has its map; the own share of the token is left out."""
    backbone = build('ClassAttentionViT')
    first, last = (
        attention_maps(backbone, normalize, picture, [], layer).class_YX
        for layer in (0, 1))
    assert first.shape == last.shape == (4, 6)
    assert 0 < first.sum() < 1 and abs(first - last).max() > 1e-4
    again = attention_maps(backbone, normalize, picture, []).class_YX
    assert (again == last).all()
    with pytest.raises(ValueError, match='layer 2 does not exist; .* 2'):
        class_attention(backbone, 2)


def test_what_cannot_be_drawn_is_told(picture: np.ndarray) -> None:
    windowed = MODELS.build(
        dict(type='ConvViT', arch='tiny', img_size=64, window_size=2))
    with pytest.raises(ValueError, match='attends in windows'):
        attention_maps(windowed.eval(), normalize, picture, [(0, 0)])
    sampled = MODELS.build(dict(BACKBONES['MIMDetViT'], test_sample_ratio=0.5))
    with pytest.raises(ValueError, match='test_sample_ratio=1'):
        attention_maps(sampled.eval(), normalize, picture, [(0, 0)])
    with pytest.raises(ValueError, match='outside of the image of 96x64'):
        attention_maps(build('ConvViT'), normalize, picture, [(96, 0)])
    with pytest.raises(ValueError, match="point '10;4' is not X,Y"):
        parse_points(['1,2', '10;4'])


def test_drawing(picture: np.ndarray) -> None:
    """Points and borders in one colour; blocks of one colour in a map."""
    maps = attention_maps(
        build('ClassAttentionViT'), normalize, picture, [(20, 20), (60, 40)])
    sheet = np.asarray(draw_maps(maps, 'image', side=128))
    width = 192 + 12 + 8
    top = 8 + 18 + 8 + 13 + 8
    for index, colour in enumerate((*COLOURS[:2], CLASS_COLOUR), 1):
        rgb = tuple(bytes.fromhex(colour[1:]))
        left = 8 + index * width
        panel = sheet[top:top + 140, left:left + 204]
        border = np.ones(panel.shape[:2], bool)
        border[6:-6, 6:-6] = False
        assert (panel[border] == rgb).all()
        blocks = panel[6:-6, 6:-6].reshape(4, 32, 6, 32, 3)
        assert (blocks == blocks[:, :1, :, :1]).all()
        # the brightest block of viridis is yellow, the darkest violet
        weights = (*maps.maps_QYX, maps.class_YX)[index - 1]
        y, x = divmod(int(weights.argmax()), 6)
        assert tuple(blocks[y, 0, x, 0]) == (253, 231, 36)
        y, x = divmod(int(weights.argmin()), 6)
        assert tuple(blocks[y, 0, x, 0]) == (68, 1, 84)
    for (x, y), colour in zip(maps.points, COLOURS):
        at = sheet[top + 6 + 2 * int(y), 8 + 6 + 2 * int(x)]
        assert tuple(at) == tuple(bytes.fromhex(colour[1:]))


def test_normalisation_is_the_configs(picture: np.ndarray) -> None:
    """As the data preprocessor of the model has it."""
    for config in (CONFIG, 'configs/convmae/segmentation/convmae-base_upernet_'
                   '8xb2-amp-160k_ade20k-512x512.py'):
        cfg = launch.load_config(config, {})
        rgb = torch.tensor([255, 128, 0], dtype=torch.uint8)[:, None, None]
        x = Normalize(cfg)(rgb.expand(1, 3, 2, 2))
        assert x[0, :, 0, 0].tolist() == pytest.approx(
            [(255 - 123.675) / 58.395, (128 - 116.28) / 57.12,
             -103.53 / 57.375], rel=1e-5)  # yapf: disable


@pytest.mark.parametrize('name', ['VisionTransformer', 'ConvViT'])
def test_loaded_backbones_are_in_evaluation(name: str, tmp_path: Path) -> None:
    """All weights are the checkpoint's, or it is refused."""
    backbone = build(name)
    weights = {
        f'backbone.{key}': value
        for key, value in backbone.state_dict().items()
    }
    torch.save(weights, tmp_path / 'all.pth')
    cfg = Config(dict(model=dict(backbone=BACKBONES[name])))
    loaded = load_backbone(cfg, str(tmp_path / 'all.pth'))
    assert not loaded.training
    assert all(
        value.equal(weights[f'backbone.{key}'])
        for key, value in loaded.state_dict().items())
    weights.popitem()
    torch.save(weights, tmp_path / 'less.pth')
    with pytest.raises(ValueError, match='less.pth'):
        load_backbone(cfg, str(tmp_path / 'less.pth'))


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cfg = launch.load_config(CONFIG, {})
    backbone = MODELS.build(cfg.model.backbone)
    backbone.init_weights()
    path = tmp_path_factory.mktemp('weights') / 'convmae.pth'
    torch.save(
        {
            f'backbone.{name}': value
            for name, value in backbone.state_dict().items()
        }, path)
    return path


def test_tool(checkpoint: Path, picture: np.ndarray, tmp_path: Path) -> None:
    image, out = tmp_path / 'image.png', tmp_path / 'new/attention.png'
    Image.fromarray(picture).save(image)
    tool = 'visualization/attention.py'
    done = run_tool(tool, CONFIG, checkpoint, image, '--points', '5,6',
                    '90,60', '--size', 64, '--out', out)
    assert done.returncode == 0, done.stderr
    assert 'attention.png: 2 queries' in done.stdout
    with Image.open(out) as sheet:
        assert sheet.format == 'PNG'
    assert list(out.parent.iterdir()) == [out]

    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'\xff\xd8\xff')
    for arguments, message in (((image, '--points', '96,0'), 'outside of'),
                               ((image, '--out', 'a.jpg'), 'ending in .png'),
                               ((image, '--size', 8),
                                '--size is 8'), ((tmp_path / 'no.png', ),
                                                 'no.png does not exist'),
                               ((broken, ), 'broken.jpg cannot be read'),
                               ((image, '--prefix', 'teacher.'),
                                'no weights under the prefix'),
                               ((image, '--cfg-options',
                                 'model.backbone.arch=small'), 'convmae.pth')):
        failed = tmp_path / 'failed.png'
        done = run_tool(tool, CONFIG, checkpoint, '--out', failed, *arguments)
        assert done.returncode, arguments
        assert message in done.stderr and 'Traceback' not in done.stderr
        assert not failed.exists()
