"""Image weights in the video model: what a static clip shows."""
import pytest
import torch
from encoding import with_random_vectors
from mmpretrain.registry import MODELS
from tooling import run_tool

from projects.common.checkpoint import load_weights
from projects.common.masking import RandomTokenMasking, TubeTokenMasking
from projects.convmae import ConvViT
from projects.convmae.convert import convert
from projects.videoconvmae import VideoConvViT
from projects.videoconvmae.inflate import inflate, inflate_kernel

ARCH = dict(
    channels=(8, 16, 32), depths=(2, 1, 2), mlp_ratios=(2, 2, 2), num_heads=4)
FRAMES = 16


def image_model():
    return with_random_vectors(ConvViT(ARCH, img_size=64, dw_kernel=3))


def video_model(image, mode, **kwargs):
    model = VideoConvViT(
        ARCH,
        img_size=64,
        num_frames=FRAMES,
        dw_kernel=(5, 3, 3),
        out_indices=(0, 1, 2),
        **kwargs).double().eval()
    model.load_state_dict(
        inflate(image.state_dict(), model.state_dict(), FRAMES // 2, mode))
    return model


def still(images, frames=FRAMES):
    return images[:, :, None].expand(-1, -1, frames, -1, -1)


def test_kernels_keep_their_response_to_a_static_clip():
    kernel = torch.randn(4, 2, 3, 3)
    for mode in ('centre', 'average'):
        inflated = inflate_kernel(kernel, 5, mode)
        assert inflated.shape == (4, 2, 5, 3, 3)
        assert torch.allclose(inflated.sum(dim=2), kernel)
    assert torch.equal(inflate_kernel(kernel, 5, 'centre')[:, :, 2], kernel)


def test_centred_kernels_give_the_image_model_s_features():
    """Everywhere, at every frame: time is never mixed but in attention."""
    image = image_model()
    image.out_indices = (0, 1, 2)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    for ours, theirs in zip(video_model(image, 'centre')(still(x)), image(x)):
        assert ours.shape[2] == FRAMES // 2
        assert (ours - theirs[:, :, None]).abs().max() < 1e-10


def test_centred_kernels_give_the_same_latents_for_the_same_masks():
    image = image_model()
    video = video_model(image, 'centre')
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    noise = torch.rand(2, 16)
    flat = RandomTokenMasking(0.75)(2, (4, 4), noise_BL=noise)
    tubes = TubeTokenMasking(0.75)(2, (8, 4, 4), noise_BL=noise)
    assert torch.equal(
        tubes.removed_BL.view(2, 8, 16),
        flat.removed_BL[:, None].expand(-1, 8, -1))
    tokens, cells = image.encode(x, flat)
    video_tokens, video_cells = video.encode(still(x), tubes)
    for ours, theirs in zip((video_tokens, *video_cells), (tokens, *cells)):
        ours = ours.unflatten(1, (8, -1))
        assert (ours - theirs[:, None]).abs().max() < 1e-10


def test_averaged_kernels_agree_where_they_do_not_reach_over_the_ends():
    """Two blocks with kernels of 5 frames take 4 frames from either end."""
    image = image_model()
    image.out_indices = (0, 1, 2)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    video = video_model(image, 'average')
    long = 24
    ours = video(still(x, long))[0]
    theirs = image(x)[0][:, :, None]
    difference = (ours - theirs).abs().amax(dim=(0, 1, 3, 4))
    assert (difference[4:-4] < 1e-10).all() and len(difference) == 12
    assert (difference[:4] > 1e-6).all() and (difference[-4:] > 1e-6).all()


@pytest.fixture
def checkpoint(tmp_path):
    """A pretrained image model with its decoder."""
    model = pretraining('ConvViT', (4, 4), 768)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'image.pth')
    return model, tmp_path / 'image.pth'


def pretraining(backbone, grid, out_channels, **kwargs):
    time = backbone == 'VideoConvViT'
    half = (1, 2, 2) if time else (2, 2)
    frames = dict(num_frames=FRAMES) if time else {}
    return MODELS.build(
        dict(
            type='MaskedAutoencoder',
            masking=dict(type='TubeTokenMasking', ratio=.75),
            data_preprocessor=dict(
                type='ClipDataPreprocessor', mean=[0.] * 3, std=[1.] * 3),
            backbone=dict(
                type=backbone, arch=ARCH, img_size=64, **frames, **kwargs),
            neck=dict(
                type='MultiScaleDecoder',
                in_channels=32,
                stage_channels=(8, 16),
                stage_factors=((half, half), (half, )),
                channels=16,
                depth=1,
                num_heads=2,
                grid=grid,
                out_channels=out_channels),
            head=dict(type='MaskedPixelHead')))


@pytest.mark.parametrize('mode', ['centre', 'average'])
def test_init_cfg_takes_an_image_checkpoint(checkpoint, mode):
    image, path = checkpoint
    backbone = VideoConvViT(
        ARCH,
        img_size=64,
        num_frames=FRAMES,
        init_cfg=dict(type='Inflated', checkpoint=str(path), mode=mode))
    backbone.init_weights()
    kernel = image.backbone.stages[0].blocks[0].dw_conv.weight
    ours = backbone.stages[0].blocks[0].dw_conv.weight
    assert torch.equal(ours, inflate_kernel(kernel, 5, mode))
    assert torch.equal(backbone.pos_embed,
                       image.backbone.pos_embed.repeat(1, FRAMES // 2, 1))


def test_a_whole_pretraining_predicts_the_image_in_every_frame(checkpoint):
    image, _ = checkpoint
    video = pretraining('VideoConvViT', (8, 4, 4), 1536).double().eval()
    video.load_state_dict(
        inflate(image.state_dict(), video.state_dict(), FRAMES // 2))
    image = image.double().eval()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    noise = torch.rand(2, 16)
    flat = RandomTokenMasking(.75)(2, (4, 4), noise_BL=noise)
    expected = image.neck(image.backbone.encode(x, flat), flat, (4, 4))
    pred, _ = video.reconstruct(still(x), noise)
    ours = pred.view(2, 8, 16, 2, 768)
    assert (ours - expected[:, None, :, None]).abs().max() < 1e-10


def test_bad_input():
    image = image_model()
    with pytest.raises(ValueError, match="mode is 'mean'"):
        video_model(image, 'mean')
    video = video_model(image, 'centre').state_dict()
    with pytest.raises(ValueError, match='of a video model already'):
        inflate(video, video, 8)


CONFIG = """
custom_imports = dict(imports=['projects.videoconvmae'],
                      allow_failed_imports=False)
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='VideoConvViT', img_size=64, num_frames=16,
        arch=dict(channels=(8, 16, 32), depths=(2, 1, 2),
                  mlp_ratios=(2, 2, 2), num_heads=4)),
    neck=dict(type='TokenPooling', channels=32),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=32))
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / 'video.py').write_text(CONFIG)
    return tmp_path / 'video.py'


@pytest.mark.parametrize('layout', ['ours', 'official'])
def test_tool_inflates_files_of_either_layout(checkpoint, config, tmp_path,
                                              layout):
    image, path = checkpoint
    if layout == 'official':
        weights = convert(image.state_dict(), 'pretrain', backward=True)
        torch.save(dict(model=weights), path)
    done = run_tool('convert_checkpoint.py', path, tmp_path / 'video.pth',
                    '--inflate', 'average', '--config', config)
    assert done.returncode == 0, done.stderr
    assert 'do not fit and are left out: neck.' in done.stdout
    model = VideoConvViT(ARCH, img_size=64, num_frames=FRAMES)
    report = load_weights(model, str(tmp_path / 'video.pth'), 'backbone.')
    assert report.coverage == 1
    expected = inflate(
        {f'backbone.{k}': v for k, v in image.backbone.state_dict().items()},
        {f'backbone.{k}': v for k, v in model.state_dict().items()},
        FRAMES // 2, 'average')  # yapf: disable
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected[f'backbone.{name}'])


def test_tool_errors(checkpoint, config, tmp_path):
    _, path = checkpoint
    target = tmp_path / 'out.pth'

    def fails(*args):
        done = run_tool('convert_checkpoint.py', path, target, '--inflate',
                        'centre', *args)
        assert done.returncode and not target.exists()
        return done.stderr

    assert 'needs the --config' in fails()
    assert 'leave --kind' in fails('--config', config, '--kind', 'pretrain')
    text = config.read_text()
    config.write_text(
        text.replace('VideoConvViT', 'ConvViT').replace(' num_frames=16,', ''))
    assert 'not of a VideoConvViT' in fails('--config', config)
    config.write_text(text.replace('depths=(2,', 'depths=(3,'))
    assert 'does not fit the backbone' in fails('--config', config)
    config.write_text(text.replace('img_size=64', 'img_size=48'))
    assert 'config of the same frame size' in fails('--config', config)
