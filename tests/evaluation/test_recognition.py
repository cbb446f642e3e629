"""Checkpoints say which pretraining they are of."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from projects import zoo
from projects.evaluation.recognition import read_settings, recognise

CONFIGS = zoo.ROOT / 'configs'
DEMO = 'convmae_tiny_1xb32-coslr-6k_shapes'
BASE = 'convmae_base_8xb256-amp-coslr-1600e_in1k'


def checkpoint(path: Path, **meta) -> str:
    """A file as the runner writes it, with a tensor for all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        dict(meta=meta, state_dict={'backbone.pos_embed': torch.ones(1)}),
        path)
    return str(path)


@pytest.fixture(scope='module')
def written() -> str:
    """The config of the demonstration as the runner writes it down."""
    return Config.fromfile(CONFIGS / f'convmae/demo/{DEMO}.py').pretty_text


def test_by_the_name_of_the_training(tmp_path: Path) -> None:
    found = recognise(
        checkpoint(
            tmp_path / 'a.pth', experiment_name=f'{BASE}_20260102_030405'))
    assert found.config == zoo.find(BASE).config
    assert found.ours and 'name of its training' in found.reason


def test_by_the_config_in_it(tmp_path: Path, written: str) -> None:
    """Trainings of the demonstration have other names."""
    found = recognise(
        checkpoint(
            tmp_path / 'iter_9.pth',
            experiment_name='pretrain_20260102_030405',
            cfg=written.replace("data_root = 'data/", "data_root = 'there/")))
    assert found.config.stem == DEMO and found.ours
    assert 'encoder' in found.reason


@pytest.mark.parametrize('name', [f'{BASE}.pth', f'{BASE}/epoch_1600.pth'])
def test_by_the_name_of_the_file(tmp_path: Path, name: str) -> None:
    """Converted files hold no config."""
    found = recognise(checkpoint(tmp_path / name, kind='pretrain'))
    assert found.config.stem == BASE and not found.ours


def test_as_the_user_says(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / 'a.pth')
    assert recognise(path, BASE).config == zoo.find(BASE).config
    config = f'configs/convmae/demo/{DEMO}.py'
    assert recognise(path, config).config == zoo.ROOT / config


def test_by_its_address() -> None:
    found = recognise(f'zoo://{BASE}')
    assert found.config == zoo.find(BASE).config and not found.ours


def test_what_is_not_known(tmp_path: Path, written: str) -> None:

    def message(path: str, config: str | None = None) -> str:
        with pytest.raises((ValueError, OSError)) as raised:
            recognise(path, config)
        return str(raised.value)

    silent = checkpoint(tmp_path / 'a.pth')
    assert 'does not hold the config of its training. Name its pretraining ' \
        'by --config' in message(silent)
    other = checkpoint(
        tmp_path / 'b.pth', cfg=written.replace("arch='tiny'", "arch='odd'"))
    assert 'its config is of MaskedAutoencoder with ConvViT, which no ' \
        'pretraining is' in message(other)
    classifier = CONFIGS / 'convmae/demo/' \
        'convvit-tiny_convmae-pre_1xb32-coslr-500_shapes.py'
    path = checkpoint(
        tmp_path / 'c.pth', cfg=Config.fromfile(classifier).pretty_text)
    assert 'its config is of ImageClassifier' in message(path)
    assert 'b.pth does not exist' in message(str(tmp_path / 'no/b.pth'))
    assert "no model is named 'convmae'" in message(silent, 'convmae')
    assert 'nowhere.py does not exist' in message(silent, 'nowhere.py')
    short = 'convmae_base_8xb256-amp-coslr-200e_in1k'
    assert f'no weights of {short} are published' in message(f'zoo://{short}')


def test_settings_are_read_and_nothing_runs(tmp_path: Path) -> None:
    """The text may come out of any file."""
    spoilt = tmp_path / 'spoilt'
    text = f"""
import pathlib
a = dict(b=[1, -2.5, (3, None)], c=dict(d='e'))
keys = {{'.x': dict(y=1)}}
bad = dict(x=pathlib.Path({str(spoilt)!r}).touch())
worse = [__import__('os').system('touch {spoilt}')]
pathlib.Path({str(spoilt)!r}).touch()
"""
    assert read_settings(text) == dict(
        a=dict(b=[1, -2.5, (3, None)], c=dict(d='e')), keys={'.x': dict(y=1)})
    assert not spoilt.exists()
    for broken in ('a = (', 'a = ' + '(' * 10_000, '\0', ''):
        assert read_settings(broken) == {}
