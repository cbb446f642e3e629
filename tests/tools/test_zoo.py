"""The zoo's commands, on our records and on one of a local server's."""
import functools
import json

import pytest
import torch
import yaml
from file_server import serve
from mmengine.runner import CheckpointLoader
from official_files import TINY_CONVMAE, tiny_weights
from tooling import run_tool

from projects.zoo import address, find, list_models

NAME = 'toy_8xb2'
run = functools.partial(run_tool, 'zoo.py')


def ok(*args):
    done = run(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def failed(*args):
    done = run(*args)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


def test_list():
    lines = ok('list', 'upernet', '--task', 'segmentation').splitlines()
    assert len(lines) == 1 + len(list_models('upernet'))
    assert lines[0].split()[0] == 'name'
    row = next(line for line in lines if line.startswith('convmae-base_up'))
    assert row.split() == [
        'convmae-base_upernet_8xb2-amp-160k_ade20k-512x512', 'ConvMAE',
        'segmentation', '160.2', '612.9', 'official', 'segmentor'
    ]
    assert 'no model fits' in failed('list', 'no-such-model')
    assert "task is 'x'" in failed('list', '--task', 'x')


def test_json_has_all():
    models = json.loads(ok('list', '--has-weights', '--json'))
    assert [model['name'] for model in models] == list_models(has_weights=True)
    model = json.loads(ok('show', models[0]['name'], '--json'))
    assert model == models[0]
    assert model['paper']['URL'].startswith('https://')
    assert model['converted from']['License'] == 'MIT'
    assert model['results'][
        'reported'] and not model['results']['measured here']


def test_show():
    text = ok('show', 'convmae_base_8xb256-amp-coslr-1600e_in1k')
    for part in ('arxiv.org/abs/2205.03892', 'results, reported', 'encoder',
                 'Fine-tuned Top 1 85.0', 'results, measured here\n    none',
                 'not known; recorded at the first download', 'MIT',
                 'normalised pixels', 'MACs        11.24 G', 'upernet'):
        assert part in text
    assert 'near are convmae_base' in failed('show', 'convmae_bose')


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A repository of one model, whose official file is on a server."""
    monkeypatch.setenv('GLIMPSE_CACHE', str(tmp_path / 'cache'))
    weights = tiny_weights('convmae_pretrain_tiny_normpix')
    official = tmp_path / 'official.pth'
    torch.save(dict(model=weights), official)
    folder = tmp_path / 'configs/toy'
    (folder / 'pretrain').mkdir(parents=True)
    (folder / f'pretrain/{NAME}.py').write_text(TINY_CONVMAE)
    (folder / 'README.md').write_text('Toy')
    (tmp_path /
     'model-index.yml').write_text('Import: [configs/toy/metafile.yml]')
    with serve(official.read_bytes()) as server:
        write_metafile(tmp_path, f'{server.url}/pretrained.pth')
        yield tmp_path, server


def write_metafile(root, url, **origin):
    entry = {
        'Name': NAME,
        'In Collection': 'Toy',
        'Config': f'configs/toy/pretrain/{NAME}.py',
        'Metadata': {
            'Batch Size': 16,
            'Parameters': 1,
            'Training Data': 'Toys'
        },
        'Results': None,
        'Converted From': {
            'Weights': url,
            'Code': 'https://example.org',
            'License': 'MIT',
            'Content': 'full',
            'Target': 'normalised pixels',
            **origin
        }
    }
    collection = dict(
        Name='Toy',
        Metadata={},
        Paper=dict(Title='Toys', URL='https://example.org'),
        README='configs/toy/README.md',
        Code=dict(URL='projects/toy'))
    (root / 'configs/toy/metafile.yml').write_text(
        yaml.safe_dump(dict(Collections=[collection], Models=[entry])))


def arguments(root, *more):
    return ('--root', root, 'download', NAME, '--allow-loopback', '--retries',
            0, '--timeout', 5, *more)


def test_download_and_convert_once(zoo):
    root, server = zoo
    official = ok(*arguments(root))
    assert official.endswith(f'{NAME}_official.pth')
    converted = ok(*arguments(root, '--convert'))
    content = torch.load(converted)
    assert content['meta']['kind'] == 'pretrain'
    assert 'neck.decoder_pred.weight' in content['state_dict']

    copy = ok(*arguments(root, '--convert', '--offline', '--dest', root /
                         'own'))
    assert copy == str(root / 'own' / f'{NAME}.pth')
    assert torch.load(copy)['meta'] == content['meta']
    assert [path.name for path in (root / 'own').iterdir()] == [f'{NAME}.pth']
    # one transfer and one conversion for all
    assert len(server.requests) == 1
    assert len(list((root / 'cache/converted').iterdir())) == 1

    # another model under this name needs another conversion
    config = root / f'configs/toy/pretrain/{NAME}.py'
    config.write_text(TINY_CONVMAE.replace('(16, 24, 32)', '(16, 24, 64)'))
    assert 'another shape' in failed(*arguments(root, '--convert'))


def test_failures_are_one_line(zoo):
    root, server = zoo
    assert 'not in the cache' in failed(*arguments(root, '--offline'))
    without = [
        argument for argument in arguments(root)
        if argument != '--allow-loopback'
    ]
    assert 'is not an https:// address' in failed(*without)
    server.status = [404]
    assert 'HTTP 404' in failed(*arguments(root))
    write_metafile(root, f'{server.url}/pretrained.pth', SHA256='0' * 64)
    assert 'expected 0000' in failed(*arguments(root))
    assert 'no weights are published' in failed(
        'download', 'convmae_base_8xb256-amp-coslr-200e_in1k')


def test_address_of_a_model_s_weights(zoo, monkeypatch):
    """zoo://NAME loads what was downloaded and converted."""
    root, server = zoo
    converted = ok(*arguments(root, '--convert'))
    monkeypatch.setattr(address, 'find', lambda name: find(name, root))
    loaded = CheckpointLoader.load_checkpoint(f'zoo://{NAME}')
    expected = torch.load(converted)
    assert loaded['meta'] == expected['meta']
    assert loaded['state_dict'].keys() == expected['state_dict'].keys()
    assert len(server.requests) == 1
    with pytest.raises(ValueError, match='no model is named .gone.'):
        CheckpointLoader.load_checkpoint('zoo://gone')
