"""The converter as a command, on files with the official layouts."""
import argparse
import functools
import os
import pickle

import pytest
import torch
from official_files import TINY_CONVMAE, tiny_weights
from safetensors.torch import load_file
from tooling import run_tool

run = functools.partial(run_tool, 'convert_checkpoint.py')


def ok(*args):
    done = run(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture
def official(tmp_path):
    """A tiny file as the official repository writes it."""
    weights = tiny_weights('convmae_pretrain_tiny_normpix')
    path = tmp_path / 'official.pth'
    torch.save(
        dict(model=weights, epoch=3, args=argparse.Namespace(lr=1e-3)), path)
    return path, weights


@pytest.fixture
def config(tmp_path):
    """The config of the model in that file."""
    path = tmp_path / 'tiny.py'
    path.write_text(TINY_CONVMAE)
    return path


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_there_and_back(official, config, tmp_path, suffix):
    path, weights = official
    ours, back = tmp_path / f'ours{suffix}', tmp_path / f'back{suffix}'
    said = ok(path, ours, '--config', config)
    assert 'pretrain, 105 tensors' in said
    assert 'completely' in said
    assert 'no tensors, not taken: args, epoch' in said
    # the file says which kind it is
    ok(ours, back, '--to', 'official')
    if suffix == '.pth':
        assert torch.load(ours)['meta']['kind'] == 'pretrain'
        same(torch.load(back)['model'], weights)
    else:
        same(load_file(back), weights)


def test_kind_of_our_files_is_recognised(official, tmp_path):
    """Of a training's checkpoint, which does not say it."""
    path, weights = official
    ours, back = tmp_path / 'ours.pth', tmp_path / 'back.pth'
    ok(path, ours)
    trained = torch.load(ours)
    trained['meta'] = dict(epoch=5)
    torch.save(trained, ours)
    ok(ours, back, '--to', 'official')
    same(torch.load(back)['model'], weights)


def test_ours_that_fits_two_kinds_needs_kind(tmp_path):
    ours, back = tmp_path / 'ours.pth', tmp_path / 'back.pth'
    weights = tiny_weights('convvit_finetune_tiny_gap')
    official = tmp_path / 'official.pth'
    torch.save(dict(model=weights), official)
    ok(official, ours)
    torch.save(torch.load(ours)['state_dict'], ours)
    done = run(ours, back, '--to', 'official')
    assert done.returncode == 1
    assert "choose with --kind from ['finetune', 'finetune-first-token']" \
        in done.stderr
    ok(ours, back, '--to', 'official', '--kind', 'finetune')
    same(torch.load(back)['model'], weights)


def test_fast_convmae_has_the_same_layout(official, tmp_path):
    """Its masks are others, its network is not."""
    config = tmp_path / 'fast.py'
    config.write_text(
        TINY_CONVMAE.replace("'RandomTokenMasking'",
                             "'DisjointTokenMasking', num_masks=4"))
    assert 'completely' in ok(official[0], tmp_path / 'ours.pth', '--config',
                              config)


def test_report_has_every_name(official, config, tmp_path):
    path, weights = official
    del weights['decoder_pred.weight']
    weights['extra.relative_position_index'] = torch.zeros(4)
    torch.save(dict(model=weights), path)
    report, ours = tmp_path / 'report.txt', tmp_path / 'ours.pth'
    said = ok(path, ours, '--config', config, '--report', report, '--verbose')
    text = report.read_text()
    assert text == said
    lines = text.splitlines()
    assert 'renamed    norm.weight -> neck.norm.weight' in lines
    assert 'reshaped   blocks1.0.conv1.weight (16,16,1,1) -> ' \
        'backbone.stages.0.blocks.0.pw_conv1.weight (16,16)' in lines
    assert 'left out   extra.relative_position_index' in lines
    assert 'missing    neck.decoder_pred.weight' in lines
    names = [
        line.split()[1] for line in lines
        if line.startswith(('kept', 'renamed', 'reshaped', 'left out'))
    ]
    assert len(names) == len(weights)


def test_encoder_only_file_says_what_is_missing(official, config, tmp_path):
    path, weights = official
    torch.save({key: value for key, value in weights.items()
                if 'deco' not in key}, path)  # yapf: disable
    said = ok(path, tmp_path / 'ours.pth', '--config', config)
    assert 'tensors stay as initialised: neck.' in said


def test_bad_input_leaves_nothing(official, tmp_path):
    path, weights = official
    target = tmp_path / 'out.pth'
    config = tmp_path / 'wide.py'
    config.write_text(TINY_CONVMAE.replace('(16, 24, 32)', '(16, 24, 64)'))
    cut, broken = tmp_path / 'cut.pth', tmp_path / 'broken.safetensors'
    cut.write_bytes(path.read_bytes()[:2000])
    broken.write_bytes(b'\x40\0\0\0\0\0\0\0{"a":')
    foreign = tmp_path / 'foreign.pth'
    torch.save(dict(model={'x.weight': torch.ones(1)}), foreign)
    for args, message in [
        ((path, target, '--config', config), 'another shape'),
        ((cut, target), 'cut.pth (2000 bytes) is truncated'),
        ((broken, target), 'broken.safetensors (13 bytes) is truncated'),
        ((foreign, target), 'no converter knows this checkpoint'),
        ((tmp_path / 'absent.pth', target), 'absent.pth does not exist'),
        ((path, target, '--kind', 'detr'), "kind is 'detr'; choose from"),
        ((path, target, '--to', 'timm'), 'timm has no counterpart of the kind '
         'pretrain'),
        ((path, tmp_path / 'no' / 'out.pth'), 'No such file'),
        ((path, tmp_path / 'out.bin'), 'ends in one of .pth, .pt, .safe'),
    ]:
        done = run(*args)
        assert done.returncode == 1 and message in done.stderr, done.stderr
    assert not list(tmp_path.glob('out*'))


class Malicious:
    """Creates a file when it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f'touch {self.mark}', )


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'pickle'])
def test_code_in_a_file_does_not_run_unless_trusted(official, tmp_path, kind):
    path, weights = official
    mark, target = tmp_path / 'mark', tmp_path / 'out.pth'
    content = dict(model=weights, args=Malicious(mark))
    if kind == 'pickle':
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == 'zip')
    done = run(path, target)
    assert done.returncode == 1
    if kind == 'pickle':  # no checkpoint at all
        assert 'not a checkpoint' in done.stderr
    else:
        assert 'not loaded for safety (posix.system)' in done.stderr
        assert '--trust reads it and runs what is in it' in done.stderr
    assert not mark.exists() and not target.exists()
    if kind != 'pickle':
        ok(path, target, '--trust')
        assert mark.exists()
        assert len(torch.load(target)['state_dict']) == len(weights)
