"""Pictures of a model that the real tools have trained for a moment."""
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import MODELS
from PIL import Image
from tooling import run_tool

from projects.demo.methods import convmae
from projects.engine import launch
from projects.shapes import Recipe, make_dataset
from projects.visualization.reconstruction import (GRAY, Reconstruction,
                                                   draw_reconstructions,
                                                   load_model)

CONFIG = f'configs/{convmae.PRETRAIN}'
PATCH = 16


@pytest.fixture(scope='module')
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    make_dataset(folder, Recipe('smoke', parts=('cls', )), jobs=1)
    return folder / 'cls'


@pytest.fixture(scope='module')
def checkpoint(images: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp('run')
    done = run_tool('train.py', CONFIG, '--work-dir', folder, '--no-validate',
                    '--cfg-options',
                    f'train_dataloader.dataset.data_root={images}',
                    'train_dataloader.num_workers=0',
                    'train_dataloader.persistent_workers=False',
                    'train_cfg.max_iters=2')
    assert done.returncode == 0, done.stderr
    return str(folder / 'iter_2.pth')


def draw(checkpoint: str, source: Path, out: Path,
         **options) -> list[Reconstruction]:
    masking = options.pop('masking', {})
    cfg = launch.load_config(CONFIG, {
        f'model.masking.{key}': value
        for key, value in masking.items()
    })
    return draw_reconstructions(cfg, checkpoint, str(source), str(out),
                                **options)


def shares(rows: list[Reconstruction]) -> list[float]:
    return [row.hidden.mean() for row in rows]


def test_tool(images: Path, checkpoint: str, tmp_path: Path) -> None:
    out = tmp_path / 'new/sheet.png'
    done = run_tool('visualize_reconstruction.py', CONFIG, checkpoint,
                    images / 'val', '--mask-ratio', 0.75, '--num', 3, '--out',
                    out)
    assert done.returncode == 0, done.stderr
    assert 'sheet.png: 3 reconstructions' in done.stdout
    with Image.open(out) as sheet:
        assert sheet.format == 'PNG'
        colours = np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)
    assert list(out.parent.iterdir()) == [out]
    assert len(colours) > 100


def test_pictures_are_of_the_image(images: Path, checkpoint: str,
                                   tmp_path: Path) -> None:
    """Visible patches are the file's pixels, hidden ones are not."""
    source = tmp_path / 'source.png'
    pixels = np.random.default_rng(0).integers(
        0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(source)
    row, = draw(checkpoint, source, tmp_path / 'sheet.png', mask_ratios=[0.75])
    assert (row.original == pixels).all()
    assert row.hidden.mean() == 0.75
    assert (row.pasted[~row.hidden] == pixels[~row.hidden]).all()
    assert (row.masked[~row.hidden] == pixels[~row.hidden]).all()
    assert (row.masked[row.hidden] == GRAY).all()
    assert (row.pasted[row.hidden] == row.predicted[row.hidden]).all()
    assert (row.predicted[row.hidden]
            != pixels[row.hidden]).any(-1).mean() > .9
    patches = row.hidden.reshape(4, PATCH, 4, PATCH)
    assert (patches.all((1, 3)) == patches.any((1, 3))).all()


def test_sheet_shows_the_pictures(images: Path, checkpoint: str,
                                  tmp_path: Path) -> None:
    """Enlarged by whole numbers, nothing but the pixels."""
    out = tmp_path / 'sheet.png'
    row, = draw(checkpoint, next(images.rglob('*.png')), out)
    sheet = np.asarray(Image.open(out))
    for picture in (row.original, row.masked, row.predicted, row.pasted):
        large = picture.repeat(2, 0).repeat(2, 1)
        windows = np.lib.stride_tricks.sliding_window_view(sheet,
                                                           large.shape)[:, :,
                                                                        0]
        starts = (windows[..., 0, 0, :] == large[0, 0]).all(-1)
        assert any(
            (windows[y, x] == large).all() for y, x in np.argwhere(starts))


def test_seed_decides(images: Path, checkpoint: str, tmp_path: Path) -> None:
    files = [tmp_path / f'{name}.png' for name in 'abc']
    for file, seed in zip(files, (5, 5, 6)):
        draw(checkpoint, images, file, num=2, seed=seed)
    first, again, other = (file.read_bytes() for file in files)
    assert first == again != other


@pytest.mark.parametrize('ratio', [0.25, 0.5, 0.9])
def test_ratio(images: Path, checkpoint: str, tmp_path: Path,
               ratio: float) -> None:
    rows = draw(
        checkpoint, images, tmp_path / 'a.png', num=2, mask_ratios=[ratio])
    keep = int(16 * (1 - ratio))
    assert shares(rows) == [1 - keep / 16] * 2


def test_several_ratios(images: Path, checkpoint: str, tmp_path: Path) -> None:
    """A row for each; more is hidden, but nothing else is shown."""
    ratios = [0.5, 0.75, 0.875]
    rows = draw(
        checkpoint, images, tmp_path / 'a.png', num=2, mask_ratios=ratios)
    assert shares(rows) == ratios * 2
    assert [row.name.split(', ')[1]
            for row in rows[:3]] == ['50 %', '75 %', '87.5 %']
    for few, many in zip(rows, rows[1:3]):
        assert many.hidden[few.hidden].all()
    alone, _ = draw(
        checkpoint, images, tmp_path / 'b.png', num=2, mask_ratios=[0.875])
    assert (alone.predicted == rows[2].predicted).all()


def mae_config() -> Config:
    """mmpretrain's own MAE, small."""
    cfg = launch.load_config(CONFIG, {})
    cfg.model = dict(
        type='MAE',
        backbone=dict(
            type='MAEViT',
            arch=dict(
                embed_dims=32,
                num_layers=1,
                num_heads=2,
                feedforward_channels=64),
            img_size=64,
            mask_ratio=0.75),
        neck=dict(
            type='MAEPretrainDecoder',
            num_patches=16,
            embed_dim=32,
            decoder_embed_dim=32,
            decoder_depth=1,
            decoder_num_heads=2),
        head=dict(
            type='MAEPretrainHead',
            norm_pix=True,
            loss=dict(type='PixelReconstructionLoss', criterion='L2')))
    return cfg


def test_mae_of_mmpretrain(images: Path, tmp_path: Path) -> None:
    """Its loss is that of what is drawn."""
    cfg = mae_config()
    mae = MODELS.build(dict(cfg.model, data_preprocessor=None))
    mae.init_weights()
    checkpoint = str(tmp_path / 'mae.pth')
    torch.save(mae.state_dict(), checkpoint)
    rows = draw_reconstructions(
        mae_config(),
        checkpoint,
        str(images),
        str(tmp_path / 'sheet.png'), [0.5, 0.75],
        num=1)
    assert shares(rows) == [0.5, 0.75]
    few, many = rows
    assert many.hidden[few.hidden].all()
    assert (many.pasted[~many.hidden] == many.original[~many.hidden]).all()

    model = load_model(mae_config(), checkpoint)
    inputs = torch.randn(2, 3, 64, 64)
    torch.manual_seed(5)
    pred, mask = model.reconstruct(inputs)
    ours = model.head.loss(pred, inputs, mask)
    torch.manual_seed(5)
    torch.testing.assert_close(ours, mae.loss(inputs, [])['loss'])
    with pytest.raises(ValueError, match='MAE takes 64x64 only'):
        model.reconstruct(inputs[..., :48])


def test_views_of_disjoint_masks(images: Path, checkpoint: str,
                                 tmp_path: Path) -> None:
    rows = draw(
        checkpoint,
        images,
        tmp_path / 'a.png',
        num=2,
        mask_ratios=[0.75],
        masking=dict(type='DisjointTokenMasking', num_masks=4))
    assert [row.name.split(', ')[1] for row in rows
            ] == [f'view {view}' for _ in range(2) for view in (1, 2, 3, 4)]
    for views in (rows[:4], rows[4:]):
        assert (sum(~view.hidden for view in views) == 1).all()
        assert len({view.predicted.tobytes() for view in views}) == 4


def test_masks_finer_than_a_token(images: Path, checkpoint: str,
                                  tmp_path: Path) -> None:
    row, = draw(
        checkpoint,
        images,
        tmp_path / 'a.png',
        num=1,
        mask_ratios=[0.5],
        masking=dict(scale=4))
    assert row.hidden.mean() == 0.5
    cells = row.hidden.reshape(16, 4, 16, 4)
    assert (cells.all((1, 3)) == cells.any((1, 3))).all()
    tokens = row.hidden.reshape(4, PATCH, 4, PATCH).mean((1, 3))
    assert (tokens < 1).any() and len(np.unique(tokens)) > 2


def test_keep_size(images: Path, checkpoint: str, tmp_path: Path) -> None:
    """Any image is drawn whole, less what is no patch."""
    source = tmp_path / 'wide.png'
    pixels = np.random.default_rng(0).integers(
        0, 256, (50, 83, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(source)
    row, = draw(
        checkpoint,
        source,
        tmp_path / 'sheet.png',
        mask_ratios=[0.5],
        keep_size=True)
    assert (row.original == pixels[1:49, 1:81]).all()
    assert row.hidden.mean() == 8 / 15


def test_every_kind_of_file(images: Path, checkpoint: str,
                            tmp_path: Path) -> None:
    """Grey, CMYK and turned images, upright and in colour."""
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:32] = 255
    folder = tmp_path / 'images'
    folder.mkdir()
    turned = Image.Exif()
    turned[0x0112] = 3  # upside down
    Image.fromarray(rgb).save(folder / 'a.png')
    Image.fromarray(rgb).convert('L').save(folder / 'b.png')
    Image.fromarray(rgb).convert('P').save(folder / 'c.png')
    Image.fromarray(rgb).convert('CMYK').save(folder / 'd.jpg', quality=100)
    Image.fromarray(rgb[::-1]).save(folder / 'e.jpg', quality=100, exif=turned)
    rows = draw(checkpoint, folder, tmp_path / 'sheet.png')
    assert [row.name
            for row in rows] == ['a.png', 'b.png', 'c.png', 'd.jpg', 'e.jpg']
    for row in rows:
        assert abs(row.original.astype(int) - rgb).mean() < 2, row.name


def test_colours_are_not_swapped(images: Path, checkpoint: str,
                                 tmp_path: Path) -> None:
    red = tmp_path / 'red.png'
    Image.new('RGB', (64, 64), (250, 20, 10)).save(red)
    row, = draw(checkpoint, red, tmp_path / 'sheet.png')
    assert row.original[0, 0].tolist() == [250, 20, 10]


def test_a_perfect_prediction_is_drawn_as_the_image(checkpoint: str,
                                                    images: Path) -> None:
    """Normalised targets are drawn in the image's units."""
    from projects.visualization import reconstruction
    cfg = launch.load_config(CONFIG, {'model.head.norm_pix': True})
    model = load_model(cfg, checkpoint)
    path = next(images.rglob('*.jpg'))
    image = reconstruction.load_image(path, cfg, model)
    target = model.head.target(image)
    drawn = reconstruction._to_rgb(model,
                                   model.head.to_pixels(target, image)[0])
    original = reconstruction._to_rgb(model, image[0])
    assert abs(drawn.astype(int) - original).max() <= 1


def fails(config: str, *args) -> str:
    done = run_tool('visualize_reconstruction.py', config, *args)
    assert done.returncode != 0
    assert not Path(args[args.index('--out') + 1]).exists()
    assert done.stderr.count('error: ') == 1
    assert 'Traceback' not in done.stderr
    return done.stderr


def test_bad_input(images: Path, checkpoint: str, tmp_path: Path) -> None:
    out = ['--out', tmp_path / 'sheet.png']
    assert 'masking.ratio is 1.5' in fails(CONFIG, checkpoint, images, *out,
                                           '--mask-ratio', 1.5)
    assert 'keeps 0 of the 16 tokens' in fails(CONFIG, checkpoint, images,
                                               *out, '--mask-ratio', 0.99)
    assert 'nowhere does not exist' in fails(CONFIG, checkpoint,
                                             tmp_path / 'nowhere', *out)
    assert 'nothing.pth does not exist' in fails(CONFIG,
                                                 tmp_path / 'nothing.pth',
                                                 images, *out)
    assert 'must be positive' in fails(CONFIG, checkpoint, images, *out,
                                       '--num', 0)
    assert 'ending in .png' in fails(CONFIG, checkpoint, images, '--out',
                                     tmp_path / 'sheet.jpg')
    (tmp_path / 'empty').mkdir()
    assert 'no image in' in fails(CONFIG, checkpoint, tmp_path / 'empty', *out)


def test_bad_image(images: Path, checkpoint: str, tmp_path: Path) -> None:
    out = ['--out', tmp_path / 'sheet.png']
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(next(images.rglob('*.jpg')).read_bytes()[:200])
    assert 'broken.jpg' in fails(CONFIG, checkpoint, broken, *out)
    small = tmp_path / 'small.png'
    Image.new('RGB', (100, 15)).save(small)
    assert 'small.png has 15x100 pixels' in fails(CONFIG, checkpoint, small,
                                                  *out, '--keep-size')


def test_checkpoint_without_decoder(images: Path, checkpoint: str,
                                    tmp_path: Path) -> None:
    """Encoders and classifiers are refused; so is another architecture."""
    out = ['--out', tmp_path / 'sheet.png']
    weights = torch.load(checkpoint, weights_only=True)['state_dict']
    encoder = tmp_path / 'encoder.pth'
    torch.save(
        {
            key: value
            for key, value in weights.items() if 'backbone' in key
        }, encoder)
    assert 'encoder.pth has no decoder weights' in fails(
        CONFIG, encoder, images, *out)
    classifier = tmp_path / 'classifier.pth'
    torch.save(
        {
            **torch.load(encoder, weights_only=True), 'neck.norm.weight':
            weights['neck.norm.weight'],
            'neck.norm.bias':
            weights['neck.norm.bias'],
            'head.fc.weight':
            torch.zeros(8, 128)
        }, classifier)
    assert 'classifier.pth has no decoder weights' in fails(
        CONFIG, classifier, images, *out)
    assert 'another architecture' in fails(CONFIG, checkpoint, images, *out,
                                           '--cfg-options',
                                           'model.neck.channels=32')


def test_config_of_a_classifier(images: Path, checkpoint: str,
                                tmp_path: Path) -> None:
    assert "model.type is 'ImageClassifier'" in fails(
        f'configs/{convmae.LINEAR}', checkpoint, images, '--out',
        tmp_path / 'sheet.png')


def test_config_is_found_from_anywhere(
        images: Path, checkpoint: str, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    local = tmp_path / 'local.pth'
    shutil.copy(checkpoint, local)
    monkeypatch.chdir(tmp_path)
    done = run_tool('visualize_reconstruction.py', CONFIG, 'local.pth', images,
                    '--num', 1)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'reconstructions.png').exists()
