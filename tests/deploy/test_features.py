"""Features of folders of images, against the model's own."""
import functools

import h5py
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_recipes import (CLASSIFIER, DETECTOR, PRETRAINING, SEGMENTOR,
                          tiny_checkpoint, tiny_config, write_images)
from tooling import run_tool

from projects.deploy.features import ImageFiles
from projects.zoo.models import build_model

SIZES = [(80, 100), (120, 64), (64, 64), (70, 200), (90, 90)]

run = functools.partial(run_tool, 'extract_features.py')


@pytest.fixture
def files(request, tmp_path):
    """Config, checkpoint, folder of images."""
    config = tiny_config(request.param, tmp_path)
    write_images(tmp_path / 'images', SIZES)
    return config, tiny_checkpoint(config), tmp_path / 'images'


def one_by_one(config, checkpoint, folder, stage=-1):
    """The same features the long way round: a backbone's maps."""
    cfg = Config.fromfile(config)
    model = build_model(cfg, str(checkpoint))
    paths = sorted(folder.iterdir())
    for sample in (ImageFiles(cfg, paths)[index]
                   for index in range(len(paths))):
        data = dict(
            inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        if cfg.default_scope == 'mmpretrain':
            data['inputs'] = torch.stack(data['inputs'])
        inputs = model.data_preprocessor(data, False)['inputs']
        if cfg.default_scope == 'mmseg':  # 240 x 128 to 256 x 128, ...
            sides = inputs.shape[2:]
            canvas = inputs.new_zeros(1, 3, *(-(-x // 32) * 32 for x in sides))
            canvas[..., :sides[0], :sides[1]] = inputs
            inputs = canvas
        with torch.no_grad():
            yield model.backbone(inputs)[stage][0].numpy()


@pytest.mark.parametrize(
    'files', [CLASSIFIER, PRETRAINING, SEGMENTOR, DETECTOR], indirect=True)
def test_pooled_features_of_any_recipe(files):
    config, checkpoint, folder = files
    out = folder.parent / 'features.npy'
    done = run(config, checkpoint, folder, '--out', out, '--batch-size', 2)
    assert done.returncode == 0, done.stderr
    features = np.load(out)
    assert f'{len(SIZES)} x {features.shape[1]}' in done.stdout
    assert features.dtype == np.float32
    expected = [
        map_CHW.mean((1, 2))
        for map_CHW in one_by_one(config, checkpoint, folder)
    ]
    np.testing.assert_allclose(features, expected, atol=1e-5, rtol=1e-4)
    assert features.std(0).max() > 1e-3  # images differ
    names = out.with_suffix('.txt').read_text().splitlines()
    assert names == [str(path) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize('files', [CLASSIFIER], indirect=True)
def test_maps_and_names_in_hdf5(files):
    config, checkpoint, folder = files
    out = folder.parent / 'features.h5'
    done = run(config, checkpoint, folder, '--out', out, '--maps', '--stage',
               0, '--workers', 1, '--cfg-options',
               'model.backbone.out_indices=(1, 2)')
    assert done.returncode == 0, done.stderr
    cfg = Config.fromfile(config)
    cfg.model.backbone.out_indices = (1, 2)
    cfg.dump(config)
    expected = list(one_by_one(config, checkpoint, folder, stage=0))
    with h5py.File(out) as file:
        assert file['names'].asstr()[1] == str(folder / '1.png')
        np.testing.assert_allclose(
            file['features'][:], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('files', [SEGMENTOR], indirect=True)
def test_bad_input_leaves_nothing(files, tmp_path):
    config, checkpoint, folder = files
    out = tmp_path / 'out.npy'
    (folder / '3.png').write_bytes(b'no image')
    (tmp_path / 'empty').mkdir()
    good = [config, checkpoint, folder, '--out', out]
    for args, message in [
        (good, '3.png cannot be read as an image'),
        ([*good[:2], folder / '0.png', '--out', out, '--stage',
          7], 'stage is 7, but the backbone has 4 outputs'),
        ([*good[:2], tmp_path / 'empty', '--out', out], 'no image in'),
        ([*good[:3], '--out', tmp_path / 'out.csv'], 'ends in one of .npy'),
        ([config, tmp_path / 'gone.pth', *good[2:]], 'gone.pth does not exis'),
    ]:
        done = run(*args)
        assert done.returncode == 1 and message in done.stderr, done.stderr
    (folder / '3.png').unlink()
    done = run(*good, '--maps')
    assert 'images of one size' in done.stderr
    assert not list(tmp_path.glob('out*'))
