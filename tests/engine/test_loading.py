"""Images of every kind are read upright; what is no image is named."""
import io
import re

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.registry import TRANSFORMS, init_default_scope
from mmpretrain.structures import DataSample
from PIL import Image

from projects.engine import GlimpseRunner
from projects.engine.loading import ImageError, LoadCheckedImage, NamingCollate

RED, BLUE = (255, 0, 0), (0, 128, 255)


def picture(mode: str = 'RGB') -> Image.Image:
    """48 x 32 pixels, red in the upper left quarter, else blue."""
    pixels = np.full((32, 48, 3), BLUE, np.uint8)
    pixels[:16, :24] = RED
    return Image.fromarray(pixels).convert(mode)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def load(path, **kwargs):
    loader = TRANSFORMS.build(dict(type='LoadCheckedImage', **kwargs))
    return loader(dict(img_path=str(path)))


@pytest.mark.parametrize('mode, kind, error', [
    ('RGB', 'PNG', 0),
    ('RGB', 'JPEG', 6),
    ('CMYK', 'JPEG', 6),
    ('P', 'PNG', 30),
    ('RGBA', 'PNG', 0),
])
def test_colour_images_come_in_bgr(tmp_path, mode, kind, error):
    path = tmp_path / 'image'
    path.write_bytes(encode(picture(mode), kind))
    results = load(path)
    image = results['img']
    assert image.shape == (32, 48, 3) and image.dtype == np.uint8
    assert results['img_shape'] == results['ori_shape'] == (32, 48)
    assert np.abs(image[4, 4] - np.array(RED[::-1])).max() <= error
    assert np.abs(image[-4, -4] - np.array(BLUE[::-1])).max() <= error


def smooth(height: int, width: int) -> Image.Image:
    """Waves that survive being made smaller."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(9 * x + 5 * y), np.cos(7 * y), np.sin(8 * x * y)]
    return Image.fromarray((127 + 120 * np.stack(waves, -1)).astype(np.uint8))


@pytest.mark.parametrize('size, min_side, decoded', [
    ((600, 801), 300, (300, 401)),
    ((600, 801), 301, (600, 801)),
    ((600, 801), 80, (150, 201)),
    ((600, 801), 600, (600, 801)),
    ((600, 801), 900, (600, 801)),
    ((800, 1600), 10, (100, 200)),
])
@pytest.mark.parametrize('kind', ['JPEG', 'MPO'])
def test_large_photographs_are_decoded_smaller(tmp_path, kind, size, min_side,
                                               decoded):
    path = tmp_path / 'image'
    image = smooth(*size)
    options = dict(save_all=True, append_images=[image]) \
        if kind == 'MPO' else {}
    path.write_bytes(encode(image, kind, quality=95, **options))
    results = load(path, min_side=min_side)
    assert results['img_shape'] == results['img'].shape[:2] == decoded
    assert results['img'].flags.c_contiguous
    whole = load(path)['img']
    expected = np.array(
        Image.fromarray(whole).resize(decoded[::-1], Image.Resampling.BOX))
    error = np.abs(results['img'].astype(float) - expected)
    assert error.mean() < 1.5 and error[2:-2, 2:-2].max() < 20


@pytest.mark.parametrize('mode, kind', [('L', 'JPEG'), ('CMYK', 'JPEG'),
                                        ('RGB', 'PNG'), ('P', 'PNG')])
def test_smaller_or_whole_in_any_mode(tmp_path, mode, kind):
    """JPEG files at a half, others whole; always three channels."""
    path = tmp_path / 'image'
    path.write_bytes(encode(smooth(64, 96).convert(mode), kind))
    results = load(path, min_side=32)
    assert results['img_shape'] == ((32, 48) if kind == 'JPEG' else (64, 96))
    assert results['img'].shape[2] == 3


def test_smaller_and_upright_or_refused(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6  # the top is on the right
    path = tmp_path / 'image'
    content = encode(smooth(64, 96), 'JPEG', exif=exif)
    path.write_bytes(content)
    assert load(path, min_side=32)['img'].shape == (48, 32, 3)
    path.write_bytes(content[:-300])
    with pytest.raises(ImageError, match='truncated'):
        load(path, min_side=32)
    with pytest.raises(ValueError, match="not 'grayscale'"):
        load(path, min_side=32, color_type='grayscale')


@pytest.mark.parametrize('mode', ['L', 'LA', '1'])
def test_grey_images_get_three_channels(tmp_path, mode):
    path = tmp_path / 'image'
    path.write_bytes(encode(picture(mode), 'PNG'))
    image = load(path)['img']
    assert image.shape == (32, 48, 3)
    assert (image == image[..., :1]).all()


@pytest.mark.parametrize('orientation, red', [
    (1, (4, 4)),
    (2, (4, 44)),
    (3, (28, 44)),
    (4, (28, 4)),
    (5, (4, 4)),
    (6, (4, 28)),
    (7, (44, 28)),
    (8, (44, 4)),
])
@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_exif_orientation_is_applied(tmp_path, kind, orientation, red):
    exif = Image.Exif()
    exif[0x112] = orientation
    path = tmp_path / 'image'
    path.write_bytes(encode(picture(), kind, exif=exif))
    image = load(path)['img']
    assert image.shape[:2] == ((32, 48) if orientation < 5 else (48, 32))
    assert (image[red] > 200).tolist() == [False, False, True]


def noise(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    return encode(Image.fromarray(pixels), kind)


@pytest.mark.parametrize('content, message', [
    (b'', 'is empty: 0 bytes'),
    (b'<html>404</html>' * 9, 'truncated, damaged or not an image'),
    (noise('JPEG')[:-500], 'truncated, damaged or not an image'),
    (noise('PNG')[:-500], 'truncated, damaged or not an image'),
    (encode(Image.new('I;16', (8, 8)), 'PNG'), 'more than 8 bits'),
    (encode(Image.new('L', (100, 101)), 'PNG'), '100 x 101 pixels, more than'),
    (None, 'cannot be opened'),
])
def test_bad_files_are_named(tmp_path, content, message):
    path = tmp_path / 'bad.jpg'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=f'bad.jpg .*{message}'):
        load(path, max_pixels=10_000)
    assert load(path, max_pixels=10_000, on_error='skip') is None


def test_formats_can_be_limited(tmp_path):
    """To those named; the loader itself takes what Pillow knows."""
    path = tmp_path / 'image.tif'
    path.write_bytes(encode(picture(), 'TIFF'))
    assert load(path)['img'].shape == (32, 48, 3)
    with pytest.raises(ImageError, match='not an image'):
        load(path, formats=('PNG', 'JPEG'))
    path.write_bytes(encode(picture(), 'PNG'))
    assert load(path, formats=('PNG', 'JPEG'))['img'].shape == (32, 48, 3)


def test_skipping_gives_up_when_nothing_can_be_read(tmp_path):
    loader = LoadCheckedImage(on_error='skip')
    good = tmp_path / 'good.png'
    good.write_bytes(encode(picture(), 'PNG'))
    for _ in range(3):  # a good image starts the count anew
        for _ in range(60):
            assert loader(dict(img_path='none.png')) is None
        assert loader(dict(img_path=str(good))) is not None
    assert loader.policy.skipped == 180
    with pytest.raises(ImageError, match='100 images in a row.*none.png'):
        for _ in range(100):
            loader(dict(img_path='none.png'))


def test_policy_has_to_be_known():
    with pytest.raises(ValueError, match="not 'ignore'"):
        LoadCheckedImage(on_error='ignore')


def sample(path, size):
    return dict(
        inputs=torch.zeros(3, *size),
        data_samples=DataSample(metainfo=dict(img_path=path)))


def test_images_that_do_not_fit_together_are_named():
    collate = NamingCollate(default_collate)
    same = collate([sample('a.png', (8, 8)), sample('b.png', (8, 8))])
    assert same['inputs'].shape == (2, 3, 8, 8)
    with pytest.raises(ImageError, match='b.png 3x7x8.*smaller than a crop'):
        collate([sample('a.png', (8, 8)), sample('b.png', (7, 8))])


def bad_folder(root, share: float):
    (root / 'a').mkdir(parents=True)
    for number in range(12):
        content = encode(picture(), 'PNG')
        if number < 12 * share:
            content = content[:len(content) // 2]
        (root / 'a' / f'{number:02d}.png').write_bytes(content)
    return root


@pytest.mark.parametrize('share, policy, code, message', [
    (0.25, 'stop', 1, 'image .*png is truncated'),
    (0.25, 'skip', 0, r'skipped \d images so far; image .*png is truncated'),
    (1., 'skip', 1, '100 images in a row could not be read'),
])
def test_policy_in_a_training(run_tool, config, tmp_path, share, policy, code,
                              message):
    root = bad_folder(tmp_path / 'bad', share)
    with config.open('a') as file:
        file.write(f"""
pipeline[0] = dict(type='LoadCheckedImage', on_error='{policy}')
train_dataloader['dataset'].update(data_root='{root}', pipeline=pipeline)
""")
    exit_code, log = run_tool('train.py', config, '--no-validate',
                              '--cfg-options', 'train_cfg.max_epochs=1',
                              'train_dataloader.num_workers=1')
    assert exit_code == code, log
    assert re.search(message, log)


@pytest.mark.parametrize('make, message', [
    (lambda path: None, 'does not exist'),
    (lambda path: path.mkdir(), 'is empty; images are expected'),
    (lambda path:
     (path.mkdir(),
      (path / 'notes.txt').touch()), 'no sample found|Found 0 files'),
])
def test_missing_data_is_named(tmp_path, make, message):
    init_default_scope('mmpretrain')
    path = tmp_path / 'data'
    make(path)
    with pytest.raises((ValueError, FileNotFoundError, RuntimeError),
                       match=f'{path}.*({message})|({message}).*{path}'):
        GlimpseRunner.build_dataloader(
            dict(
                batch_size=2,
                sampler=dict(type='DefaultSampler'),
                dataset=dict(
                    type='CustomDataset',
                    data_root=str(path),
                    with_label=False,
                    pipeline=[])))
