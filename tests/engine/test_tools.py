"""The command-line tools behave as users of OpenMMLab know them."""
import os
import pickle
import subprocess

import mmengine
import pytest
import torch
from faults import TOOLS
from PIL import Image

ONE_EPOCH = 'train_cfg.max_epochs=1'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Folder for one trained checkpoint that several tests use."""
    return tmp_path_factory.mktemp('trained')


def checkpoint(trained, run_tool, config) -> str:
    path = trained / 'epoch_1.pth'
    if not path.exists():
        code, log = run_tool('train.py', config, '--work-dir', trained,
                             '--cfg-options', ONE_EPOCH)
        assert code == 0, log
    return str(path)


@pytest.mark.parametrize('line, arguments, folder', [
    ('', [], 'work_dirs/tiny'),
    ("work_dir = 'from_file'\n", [], 'from_file'),
    ("work_dir = 'from_file'\n", ['--work-dir', 'from_line'], 'from_line'),
])
def test_work_dir_and_relative_config(run_tool, config, tmp_path, line,
                                      arguments, folder):
    with config.open('a') as file:
        file.write(line)
    code, log = run_tool('train.py', config.name, *arguments, '--no-validate',
                         '--cfg-options', ONE_EPOCH)
    assert code == 0, log
    assert (tmp_path / folder / 'epoch_1.pth').is_file()
    assert 'Epoch(val)' not in log


def test_mixed_precision_without_a_gpu(run_tool, config):
    code, log = run_tool('train.py', config, '--amp', '--no-validate',
                         '--cfg-options', ONE_EPOCH)
    assert code == 0, log
    assert torch.cuda.is_available() or 'training in bfloat16' in log


def test_auto_scale_lr(run_tool, config):
    code, log = run_tool('train.py', config, '--auto-scale-lr')
    assert code == 1 and 'no auto_scale_lr=dict(base_batch_size' in log
    with config.open('a') as file:
        file.write('auto_scale_lr = dict(base_batch_size=10)\n')
    code, log = run_tool('train.py', config, '--auto-scale-lr',
                         '--no-validate', '--cfg-options', ONE_EPOCH)
    assert code == 0 and 'Scaling the original LR by 0.5' in log, log


def test_misspelt_keys_stop_a_training(run_tool, config, tmp_path):
    code, log = run_tool('train.py', config, '--cfg-options',
                         'train_dataloader.batchsize=3')
    assert code == 1 and "did you mean 'batch_size'?" in log
    with config.open('a') as file:
        file.write('optim_wraper = dict()\n')
    code, log = run_tool('train.py', config)
    assert code == 1
    assert f"{config}: the runner does not know 'optim_wraper'" in log
    assert not (tmp_path / 'work_dirs').exists()


def test_predictions_pictures_and_metrics(run_tool, config, tmp_path, trained):
    source = checkpoint(trained, run_tool, config)
    code, log = run_tool('test.py', config, source, '--out', 'all.pkl',
                         '--show-dir', 'shown', '--interval', '8')
    assert code == 0, log
    predictions = pickle.loads((tmp_path / 'all.pkl').read_bytes())
    assert len(predictions) == 24
    assert predictions[0]['pred_score'].shape == (3, )
    assert len(list(tmp_path.glob('**/shown/*.png'))) == 3
    code, log = run_tool('test.py', config, source, '--out', 'all.json',
                         '--tta')
    assert code == 0, log
    assert set(mmengine.load(tmp_path / 'all.json')) == {'accuracy/top1'}


def test_a_test_needs_every_weight(run_tool, config, tmp_path, trained):
    saved = torch.load(
        checkpoint(trained, run_tool, config), weights_only=True)
    weights = saved['state_dict']
    part = tmp_path / 'part.pth'
    torch.save(
        {
            key: value
            for key, value in weights.items() if not key.startswith('head')
        }, part)
    code, log = run_tool('test.py', config, part)
    assert code == 1
    assert 'head.' in log and 'covers too little' in log
    code, log = run_tool('test.py', config, part, '--cfg-options',
                         'model.backbone.patch_size=4')
    assert code == 1 and 'another architecture' in log


def test_missing_files_are_named(run_tool, config):
    code, log = run_tool('test.py', config, 'none.pth')
    assert code == 1 and 'checkpoint none.pth does not exist' in log
    code, log = run_tool('train.py', 'none.py')
    assert code == 1 and 'config none.py exists neither in' in log


def test_print_config(run_tool, config, tmp_path):
    code, log = run_tool('print_config.py', config, '--save-path', 'out.py',
                         '--cfg-options', 'randomness.seed=41')
    assert code == 0, log
    assert 'randomness = dict(seed=41)' in log
    saved = mmengine.Config.fromfile(tmp_path / 'out.py')
    assert saved.randomness.seed == 41 and saved.train_cfg.max_epochs == 3


def test_browse_dataset(run_tool, config, tmp_path):
    code, log = run_tool('browse_dataset.py', config, '--out', 'seen',
                         '--number', '6')
    assert code == 0, log
    names = sorted(path.name for path in (tmp_path / 'seen').iterdir())
    assert names == [
        '0000_a.png', '0004_a.png', '0008_b.png', '0012_b.png', '0016_c.png',
        '0020_c.png', 'grid.png'
    ]
    grid = Image.open(tmp_path / 'seen' / 'grid.png')
    assert grid.size == (3 * 16 + 2 * 4, 2 * 16 + 4)


@pytest.mark.parametrize('script, words', [
    ('dist_train.sh', ['CONFIG', '3']),
    ('dist_test.sh', ['CONFIG', 'WEIGHTS', '3']),
    ('slurm_train.sh', ['PART', 'JOB', 'CONFIG', 'WORK']),
    ('slurm_test.sh', ['PART', 'JOB', 'CONFIG', 'WEIGHTS']),
])
def test_launch_scripts(tmp_path, script, words):
    """They pass on what they are given, and say how they are used."""
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nfor word; do echo "$word"; done\n')
    srun.chmod(0o755)
    environment = dict(
        os.environ,
        PYTHON=str(srun),
        PATH=f'{tmp_path}:{os.environ["PATH"]}',
        NNODES='2',
        NODE_RANK='1',
        PORT='123',
        MASTER_ADDR='host',
        GPUS='4',
        GPUS_PER_NODE='2',
        CPUS_PER_TASK='7',
        SRUN_ARGS='--one --two')
    command = ['bash', str(TOOLS / script)]
    run = subprocess.run([*command, *words, '--cfg-options', 'a=[1, 2]'],
                         env=environment,
                         capture_output=True,
                         text=True)
    assert run.returncode == 0, run.stderr
    passed = run.stdout.splitlines()
    assert passed[-2:] == ['--cfg-options', 'a=[1, 2]']
    tool = script.split('_')[1].replace('.sh', '.py')
    start = passed.index(str(TOOLS / tool))
    if script.startswith('dist'):
        assert passed[start + 1:-2] == [*words[:-1], '--launcher', 'pytorch']
        assert {
            '--nnodes=2', '--node_rank=1', '--master_port=123',
            '--master_addr=host', '--nproc_per_node=3'
        } < set(passed)
    else:
        assert '--launcher=slurm' in passed[start:]
        assert passed[:4] == ['-p', 'PART', '--job-name=JOB', '--gres=gpu:2']
        assert {
            '--ntasks=4', '--ntasks-per-node=2', '--cpus-per-task=7', '--one',
            '--two'
        } < set(passed)
        assert 'CONFIG' in passed[start:]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2 and 'usage:' in run.stderr


DETECTION = """
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
train_dataloader = dict(dataset=dict(
    type='CocoDataset', data_root='shapes/det', data_prefix=dict(img='train'),
    ann_file='annotations/instances_train.json',
    metainfo=dict(classes=('circle', 'square', 'star', 'triangle')),
    pipeline=[
        dict(type='LoadCheckedImage'),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='Resize', scale=(64, 64), keep_ratio=True),
        dict(type='PackDetInputs')]))
"""
SEGMENTATION = """
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
train_dataloader = dict(dataset=dict(
    type='BaseSegDataset', data_root='shapes/seg', img_suffix='.jpg',
    data_prefix=dict(
        img_path='images/train', seg_map_path='annotations/train'),
    metainfo=dict(classes=tuple('abcdefghij')),
    pipeline=[
        dict(type='LoadCheckedImage'),
        dict(type='LoadAnnotations'),
        dict(type='RandomCrop', crop_size=(48, 40)),
        dict(type='PackSegInputs')]))
"""


@pytest.mark.parametrize('part, text', [('det', DETECTION),
                                        ('seg', SEGMENTATION)])
def test_browse_annotations(run_tool, tmp_path, part, text):
    code, log = run_tool('datasets/make_shapes.py', 'shapes', '--size',
                         'smoke', '--parts', part, '--jobs', '1')
    assert code == 0, log
    (tmp_path / 'browse.py').write_text(text)
    code, log = run_tool('browse_dataset.py', 'browse.py', '--out', 'seen',
                         '--number', '2')
    assert code == 0, log
    assert len(list((tmp_path / 'seen').iterdir())) == 3
