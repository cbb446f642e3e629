"""The converter as a command, on files with the official layouts."""
import argparse
import functools

import pytest
import torch
from golden import Fixture
from tooling import run_tool

CONFIG = """
default_scope = 'mmpretrain'
custom_imports = dict(imports=['projects.convmae'])
arch = dict(channels=(16, 24, 32), depths=(1, 1, 2), mlp_ratios=(4, 4, 4),
            num_heads=4)
model = dict(
    type='MaskedAutoencoder',
    masking=dict(type='RandomTokenMasking'),
    backbone=dict(type='ConvViT', arch=arch),
    neck=dict(type='MultiScaleDecoder', in_channels=32,
              stage_channels=(16, 24), channels=24, depth=2, num_heads=3,
              grid=(14, 14), out_channels=768),
    head=dict(type='MaskedPixelHead'))
"""

run = functools.partial(run_tool, 'convert_checkpoint.py')


@pytest.fixture
def official(tmp_path):
    """A tiny file as the official repository writes it."""
    fixture = Fixture('convmae_pretrain_tiny_normpix')
    weights = fixture.state_dict()
    for key in fixture.info['untouched_keys']:
        weights[key] = torch.randn(fixture.info['state_dict'][key])
    path = tmp_path / 'official.pth'
    torch.save(
        dict(model=weights, epoch=3, args=argparse.Namespace(lr=1e-3)), path)
    return path, weights


def test_there_and_back(official, tmp_path):
    path, weights = official
    config = tmp_path / 'tiny.py'
    config.write_text(CONFIG)
    ours, back = tmp_path / 'ours.pth', tmp_path / 'back.pth'
    done = run(path, ours, '--config', config)
    assert done.returncode == 0, done.stderr
    assert 'pretrain, 105 tensors' in done.stdout
    assert 'completely' in done.stdout
    assert torch.load(ours)['meta']['kind'] == 'pretrain'
    done = run(ours, back, '--to', 'official', '--kind', 'pretrain')
    assert done.returncode == 0, done.stderr
    result = torch.load(back)['model']
    assert result.keys() == weights.keys()
    assert all(torch.equal(result[key], weights[key]) for key in weights)


def test_encoder_only_file_says_what_is_missing(official, tmp_path):
    path, weights = official
    config = tmp_path / 'tiny.py'
    config.write_text(CONFIG)
    torch.save({key: value for key, value in weights.items()
                if 'deco' not in key}, path)  # yapf: disable
    done = run(path, tmp_path / 'ours.pth', '--config', config)
    assert done.returncode == 0, done.stderr
    assert 'tensors stay as initialised: neck.' in done.stdout


def test_bad_input_leaves_nothing(official, tmp_path):
    path, weights = official
    target = tmp_path / 'out.pth'
    config = tmp_path / 'wide.py'
    config.write_text(CONFIG.replace('(16, 24, 32)', '(16, 24, 64)'))
    cut = tmp_path / 'cut.pth'
    cut.write_bytes(path.read_bytes()[:2000])
    foreign = tmp_path / 'foreign.pth'
    torch.save(dict(model={'x.weight': torch.ones(1)}), foreign)
    for args, message in [
        ((path, target, '--config', config), 'another shape'),
        ((cut, target), 'cut.pth (2000 bytes) is truncated'),
        ((foreign, target), 'no converter knows this checkpoint'),
        ((tmp_path / 'absent.pth', target), 'absent.pth does not exist'),
        ((path, target, '--kind', 'detr'), "kind is 'detr'; choose from"),
        ((path, target, '--to', 'official'), 'needs --kind'),
        ((path, tmp_path / 'no' / 'out.pth'), 'No such file'),
    ]:
        done = run(*args)
        assert done.returncode == 1 and message in done.stderr, done.stderr
    assert not list(tmp_path.glob('out*'))
