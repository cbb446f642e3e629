"""The benchmark tool on tiny models and real files: what it reports is
complete and consistent. No test looks at how fast something is.
"""
import json
import statistics

import pytest
import torch
from mmengine.config import Config
from shrink import shrink
from tooling import ROOT, run_tool

from projects.analysis.scaling import Footprint
from projects.benchmark import machine
from projects.shapes import Recipe, make_dataset

PRETRAIN = 'configs/convmae/demo/convmae_tiny_1xb32-coslr-6k_shapes.py'
SIAMESE = ('configs/extrema/demo/'
           'extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_shapes.py')
DOWNSTREAM = {
    'detection':
    'convmae/detection/mask-rcnn_convmae-base_sfp_8xb2-amp-lsj-25e_coco.py',
    'segmentation':
    'convmae/segmentation/'
    'convmae-base_upernet_8xb2-amp-160k_ade20k-512x512.py',
    'finetune':
    'convmae/finetune/convvit-base_convmae-pre_8xb128-amp-coslr-100e_in1k.py',
}


@pytest.fixture(autouse=True)
def small_matrices(monkeypatch):
    """Products that take no time."""
    monkeypatch.setitem(machine.MATRIX, 'cpu', 64)


@pytest.fixture
def measure(tmp_path):
    """Run the tool with few steps; returns its numbers and its text."""

    def run(mode, config, *words):
        file = tmp_path / 'numbers.json'
        done = run_tool('benchmark.py', mode, config, *words, '--iters', 2,
                        '--warmup', 1, '--json', file)
        assert done.returncode == 0, done.stderr
        return json.loads(file.read_text()), done.stdout

    return run


@pytest.fixture
def small(tmp_path):
    """A shrunk config of the zoo, as a file."""

    def write(kind):
        cfg = Config.fromfile(ROOT / 'configs' / DOWNSTREAM[kind])
        shrink(cfg)
        path = tmp_path / f'{kind}.py'
        cfg.dump(path)
        return path

    return write


def check(result, items):
    """One variant's numbers agree with each other."""
    steps = result['steps']
    for key in ('wall', 'cpu'):
        assert len(steps[key]) == 2
        assert result[f'{key}_s']['median'] == statistics.median(steps[key])
        assert result[f'{key}_s']['low'] <= result[f'{key}_s']['high']
    assert result['items'] == items
    assert result['rate'] == items / result['wall_s']['median']


def test_compiled_against_not(measure):
    numbers, _ = measure('train-step', PRETRAIN, '--batch', 2, '--compile',
                         '--cfg-options', 'compile.backend=aot_eager',
                         '--against', 'compile=False')
    mine, other = numbers['results']
    assert numbers['compile']
    assert mine['loss'] == pytest.approx(other['loss'], rel=1e-5)
    assert mine['held_bytes'] < 2 * other['held_bytes']


def test_train_step_against_the_original(measure):
    numbers, text = measure('train-step', PRETRAIN, '--batch', 4, '--against',
                            'original')
    assert numbers['mode'] == 'train-step' and numbers['batch'] == 4
    assert numbers['size'] == '64x64' and numbers['precision'] == 'float32'
    assert numbers['machine']['torch'] == torch.__version__.split('+')[0]
    ours, theirs = numbers['results']
    for result in (ours, theirs):
        check(result, 4)
        assert result[
            'macs_per_s'] == result['macs'] / result['wall_s']['median']
        assert f'{result["held_bytes"] / 2**20:.1f} MiB for backward' in text
    # they do the same, and what the original does in vain shows
    assert ours['loss'] == pytest.approx(theirs['loss'], rel=1e-5)
    assert theirs['same_weights'] is True
    assert theirs['macs'] > ours['macs']
    assert theirs['held_bytes'] > ours['held_bytes'] > 0
    ratios = numbers['ratios']
    assert ratios['held'] == ours['held_bytes'] / theirs['held_bytes']
    assert ratios['wall']['median'] == pytest.approx(
        statistics.median(other / own for own, other in zip(
            ours['steps']['wall'], theirs['steps']['wall'])))


def test_a_schedule_inside_a_model_is_at_its_start(measure, tmp_path):
    picture = tmp_path / 'profile.png'
    numbers, _ = measure('train-step', SIAMESE, '--batch', 4, '--profile',
                         picture)
    assert picture.read_bytes().startswith(b'\x89PNG')
    assert numbers['results'][0]['held_bytes'] > 0


def test_against_changed_settings_and_another_config(measure):
    numbers, _ = measure('train-step', PRETRAIN, '--batch', 4, '--against',
                         'model.neck.depth=3')
    ours, theirs = numbers['results']
    assert theirs['name'] == 'model.neck.depth=3'
    assert theirs['same_weights'] is False
    assert theirs['macs'] > ours['macs']
    numbers, _ = measure('train-step', PRETRAIN, '--batch', 4, '--against',
                         PRETRAIN)
    ours, theirs = numbers['results']
    assert theirs['loss'] == ours['loss'] and theirs['same_weights'] is True
    assert theirs['held_bytes'] == ours['held_bytes']


@pytest.mark.parametrize('kind', DOWNSTREAM)
def test_downstream_models(kind, measure, small):
    """Whole models on random annotations, and their backbones alone."""
    path = small(kind)
    numbers, _ = measure('train-step', path, '--batch', 2)
    check(numbers['results'][0], 2)
    assert numbers['results'][0]['loss'] > 0
    numbers, _ = measure('inference', path, '--batch', 2)
    assert numbers['results'][0]['held_bytes'] is None
    numbers, _ = measure('train-step', path, '--batch', 2, '--part',
                         'backbone', '--against', 'original')
    ours, theirs = numbers['results']
    assert ours['mean_square'] == pytest.approx(
        theirs['mean_square'], rel=1e-4)
    assert ours['held_bytes'] < theirs['held_bytes']


def test_inference_of_pretraining_and_bfloat16(measure):
    numbers, _ = measure('inference', PRETRAIN, '--batch', 4)
    assert 'loss' not in numbers['results'][0]
    numbers, _ = measure('train-step', PRETRAIN, '--batch', 4, '--amp')
    assert numbers['precision'] == 'bfloat16'


@pytest.mark.parametrize('kind', ['detection', 'segmentation'])
def test_attention(kind, measure, small):
    numbers, text = measure('attention', small(kind), '--batch', 2)
    ours, theirs = numbers['results']
    assert theirs['name'] == 'explicit-attention'
    assert ours['macs'] == theirs['macs'] > 0
    assert ours['mean_square'] == pytest.approx(
        theirs['mean_square'], rel=1e-4)
    # the tiny model has 4 blocks; windows hold 4 of the 16 tokens
    assert ours['calls'] == {
        'detection': '3 x 8 of 4 tokens; 1 x 2 of 16 tokens',
        'segmentation': '4 x 2 of 16 tokens'
    }[kind]
    assert ours['calls'] in text


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('benchmark') / 'shapes'
    make_dataset(folder, Recipe('smoke'), jobs=1)
    return folder


def on(shapes):
    root = f'train_dataloader.dataset.data_root={shapes / "cls"}'
    return ('--cfg-options', root, 'train_dataloader.num_workers=0',
            'train_dataloader.persistent_workers=False')


def test_dataloader(measure, shapes):
    numbers, _ = measure('dataloader', PRETRAIN, '--batch', 4, *on(shapes))
    result, = numbers['results']
    assert result['items'] == 8 and len(result['steps']['wall']) == 3
    assert result['loader_over_step'] == result['rate'] / result['step_rate']


def test_decode(measure, shapes):
    numbers, text = measure('decode', PRETRAIN, '--batch', 4, *on(shapes))
    pipeline, decoding = numbers['results']
    assert (pipeline['name'], decoding['name']) == ('pipeline',
                                                    'bare decoding')
    check(pipeline, 4)
    check(decoding, 4)
    assert numbers['ratios']['rate'] == pytest.approx(pipeline['rate'] /
                                                      decoding['rate'])


@pytest.mark.slow  # three processes import the toolboxes
def test_scaling_has_the_losses_of_one_process(measure):
    """Real processes over gloo; every process takes its part of the batch."""
    numbers, _ = measure('scaling', PRETRAIN, '--batch', 4, '--processes', 1,
                         2)
    one, two = numbers['results']
    check(one, 4)
    check(two, 4)
    assert len(one['losses']) == 3
    assert one['losses'] == pytest.approx(two['losses'], rel=1e-5)
    assert one['efficiency'] == 1
    assert two['efficiency'] == pytest.approx(two['rate'] / one['rate'] / 2)
    # float32 gradients of what is trained, all of them once in a step
    _, trained, _ = Footprint(Config.fromfile(ROOT / PRETRAIN)).sizes
    assert one['reduced_bytes'] == two['reduced_bytes'] == 4 * trained


@pytest.mark.parametrize('words, message', [
    (['train-step', PRETRAIN, '--against', 'explicit-atention'
      ], 'did you mean explicit-attention'),
    (['train-step', PRETRAIN, '--against', 'model.neck.dept=3'], 'neck.dept'),
    (['train-step', 'configs/none.py'], 'config configs/none.py exists'),
    (['train-step', PRETRAIN, '--batch', 0], '--batch is 0'),
    (['decode', PRETRAIN, '--against', 'dense'], '--against is for'),
    (['scaling', PRETRAIN, '--batch', 3, '--processes', 2
      ], '--processes 2: a batch of 3'),
    (['train-step', DOWNSTREAM['finetune'], '--shape', 100, 100
      ], 'multiple of 16x16'),
])
def test_errors_are_one_line(words, message):
    if words[1] in DOWNSTREAM.values():
        words[1] = ROOT / 'configs' / words[1]
    done = run_tool('benchmark.py', *words)
    assert done.returncode == 1
    line, = done.stderr.strip().splitlines()[-1:]
    assert line.startswith('benchmark: error: ') and message in line
