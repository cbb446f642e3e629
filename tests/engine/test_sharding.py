"""Fully sharded training: the numbers of DDP, checkpoints in parts."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shard_worker
import torch
from same_run import assert_equal, assert_same_run
from tooling import run_tool
from torch import nn
from training_runs import CONVMAE, make_project, write_config
from trainings import losses, train

from projects.common.checkpoint import load_weights
from projects.common.safe_load import CheckpointError, load_file
from projects.common.sharded import file_name, part_of
from projects.engine import FullyShardStrategy, find_checkpoint
from projects.engine.launch import load_config
from projects.zoo.models import build_model

ROOT = Path(__file__).parents[2]
PARTS = "\nstrategy = dict(type='FullyShardStrategy')\n"
WHOLE = PARTS + "strategy.update(state_dict_cfg='full')\n"
MIXED = PARTS + "strategy['mixed_precision'] = dict(param_dtype='bfloat16')\n"
# autocast, accumulation over 3 steps (a checkpoint comes every 2), clipping,
# and validation by features, which are not computed by forward
MORE = """
optim_wrapper.update(
    type='AmpOptimWrapper', dtype='bfloat16', loss_scale=dict(enabled=False),
    accumulative_counts=3, clip_grad=dict(max_norm=0.02))
optim_wrapper['optimizer'].update(fused=True)
val_dataloader = dict(
    batch_size=3, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='CustomDataset', data_root='{folder}/classes', pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=32),
            dict(type='PackInputs')]))
val_evaluator = dict(type='Accuracy', topk=(1, ))
val_cfg = dict(type='KNNValLoop', bank_dataloader=val_dataloader, k=2)
train_cfg.update(val_interval=3)
"""
LAST, BEFORE = 'iter_9.pth', 'iter_8.pth'


@pytest.fixture(scope='module')
def project(tmp_path_factory) -> Path:
    """Images and the configs NAME.py; the work directories are NAME."""
    folder = tmp_path_factory.mktemp('sharding')
    make_project(folder)
    for index, image in enumerate(sorted((folder / 'images').iterdir())):
        place = folder / 'classes' / 'ab'[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, place)
    plain = write_config(
        folder, CONVMAE.replace('{drop_path}', '0.2'), batch=2).read_text()
    more = plain + MORE.replace('{folder}', str(folder))
    for name, text in dict(
            ddp=plain,
            whole=plain + WHOLE,
            parts=plain + PARTS,
            from_ddp=plain + WHOLE,
            full_disk=plain + PARTS,
            more_ddp=more,
            more_parts=more + PARTS,
            more_again=more + PARTS,
            more_mixed=more + MIXED).items():
        (folder / f'{name}.py').write_text(text)
    return folder


@pytest.fixture(scope='module')
def runs(project) -> Path:
    """The folder after all trainings that nobody interrupts."""

    def job(name: str, *more: object) -> list[str]:
        return [f'{project}/{name}.py', '--work-dir', f'{project}/{name}',
                *map(str, more)]  # yapf: disable

    jobs = [
        job('ddp'),
        job('whole'),
        job('parts'),
        job('from_ddp', '--resume', project / 'ddp' / BEFORE),
        job('more_ddp'),
        job('more_parts'),
        job('more_again', '--resume', project / 'more_parts' / BEFORE),
        job('more_mixed'),
        ['limited', *job('full_disk')],
    ]
    (project / 'jobs.json').write_text(json.dumps(jobs))
    env = dict(
        os.environ,
        PYTHONPATH=os.pathsep.join(map(str, (project, ROOT, ROOT / 'tests'))),
        PYTHONFAULTHANDLER='1',  # a crash says where
        OMP_NUM_THREADS='1')
    done = subprocess.run([
        sys.executable, '-m', 'torch.distributed.run', '--standalone',
        '--nproc-per-node=2', shard_worker.__file__,
        str(project / 'jobs.json')
    ], env=env, cwd=project, capture_output=True, text=True,
                          timeout=300)  # yapf: disable
    assert done.returncode == 0, done.stderr[-5000:]
    return project


def test_sharded_training_is_that_of_ddp(runs):
    """Bit for bit: two summands have one sum, updates are elementwise."""
    assert losses(runs / 'whole') == losses(runs / 'ddp')
    assert len(losses(runs / 'ddp')) == 9
    assert_same_run(runs / 'ddp' / LAST, runs / 'whole' / LAST)


def test_a_plain_checkpoint_of_ddp_goes_on_sharded(runs):
    assert_same_run(runs / 'ddp' / LAST, runs / 'from_ddp' / LAST)


def test_parts_are_those_of_the_whole(runs):
    assert losses(runs / 'parts') == losses(runs / 'ddp')
    assert sorted(path.name for path in runs.glob('parts/*.pth*/*')) == [
        'rank0-of-2.pth', 'rank0-of-2.pth', 'rank1-of-2.pth', 'rank1-of-2.pth'
    ]
    assert_joined_is(runs / 'ddp', runs / 'parts')


def assert_joined_is(whole: Path, work: Path) -> None:
    plain = work.with_name(f'{work.name}_joined.pth')
    done = run_tool('convert_checkpoint.py', work / LAST, plain)
    assert done.returncode == 0, done.stderr
    assert_same_run(whole / LAST, plain)


def fault(what: str) -> tuple[str, str]:
    return '--cfg-options', f'custom_hooks.0.{what}'


@pytest.mark.slow
def test_killed_and_told_to_end_and_resumed(runs):
    """By the real tools; the numbers are those of DDP, bit for bit."""
    work, config = runs / 'broken', runs / 'parts.py'
    killed = train(config, work, *fault('kill_at=5'), processes=2)
    assert killed.returncode != 0
    assert sorted(path.name for path in work.glob('*.pth')) == [
        'iter_2.pth', 'iter_4.pth'
    ]
    told = train(config, work, '--resume', *fault('term_at=7'), processes=2)
    assert 'interrupted.pth is written' in told.stdout + told.stderr
    assert len([*(work / 'interrupted.pth').iterdir()]) == 2
    ended = train(config, work, '--resume', processes=2)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert sorted(path.name for path in work.glob('*.pth*')) == [BEFORE, LAST]
    assert losses(work) == losses(runs / 'ddp')
    assert_joined_is(runs / 'ddp', work)


def test_each_process_keeps_its_half(runs):
    """Of weights and of both moments; nothing is in two files."""
    whole = load_file(str(runs / 'parts' / LAST))
    total = sum(value.numel() for value in whole['state_dict'].values())
    for rank in range(2):
        part = torch.load(
            runs / 'parts' / LAST / file_name(rank, 2), weights_only=True)
        weights = sum(value['part'].numel()
                      for value in part['state_dict'].values()
                      if isinstance(value, dict))
        # an odd number of rows, such as the one of a mask token, is not
        # halved
        assert weights == pytest.approx(total / 2, rel=.1)
        for moments in part['optimizer']['state'].values():
            assert moments['exp_avg'].keys() == {'part', 'shape'}


def test_parts_go_on_in_one_process(runs):
    one = runs / 'one.py'
    one.write_text((runs / 'parts.py').read_text() +
                   "train_dataloader['batch_size'] = 4\n")
    done = train(one, runs / 'one', '--resume', str(runs / 'parts' / BEFORE))
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'one process: the model is not sharded' in done.stdout
    assert list(losses(runs / 'one')) == [9]
    assert (runs / 'one' / LAST).is_file()


def test_accumulation_clipping_autocast_and_validation(runs):
    """Gradients of each pass are summed in another order than by DDP."""
    expected, found = losses(runs / 'more_ddp'), losses(runs / 'more_parts')
    assert found.keys() == expected.keys()
    for step, value in expected.items():
        assert found[step] == pytest.approx(value, rel=1e-5), step
    # part of the gradients between two updates was saved, and is taken up
    saved = load_file(str(runs / 'more_parts' / BEFORE))
    assert saved['gradients'].keys() < saved['state_dict'].keys()
    one, other = (
        load_file(str(runs / name / LAST))
        for name in ('more_parts', 'more_again'))
    for part in ('state_dict', 'optimizer'):
        assert_equal(one[part], other[part], part)
    scalars = [
        load_file(str(runs / name / LAST))['message_hub']['log_scalars']
        for name in ('more_ddp', 'more_parts')
    ]
    norms = [logs['train/grad_norm']['values'] for logs in scalars]
    torch.testing.assert_close(norms[1], norms[0], rtol=1e-4, atol=0.)


def test_gathered_in_bfloat16(runs):
    """Parts stay float32; what is computed has bfloat16's 8 bits."""
    expected, found = losses(runs / 'more_ddp'), losses(runs / 'more_mixed')
    assert found != expected
    for step, value in expected.items():
        assert found[step] == pytest.approx(value, rel=2**-8), step
    saved = load_file(str(runs / 'more_mixed' / LAST))
    assert {value.dtype for value in saved['state_dict'].values()
            } == {torch.float32}  # yapf: disable


def test_a_full_disk_stops_all_processes(runs):
    work = runs / 'full_disk'
    for rank in range(2):
        text = (work / f'error_{rank}.txt').read_text()
        assert 'rank1-of-2.pth was not written' in text
        assert 'Earlier checkpoints are intact' in text
    assert not list(work.glob('*.pth*'))


def without_hook(config: Path) -> str:
    """The config's text, for this process."""
    return config.read_text().replace(", 'faults'", '') \
        + 'custom_hooks = []\n'


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_plain_file_loads_strictly(runs, tmp_path, suffix):
    config, plain = tmp_path / 'config.py', tmp_path / f'plain{suffix}'
    config.write_text(without_hook(runs / 'ddp.py'))
    done = run_tool('convert_checkpoint.py', runs / 'parts' / LAST, plain,
                    '--config', config)
    assert done.returncode == 0, done.stderr
    assert 'completely' in done.stdout
    model = build_model(load_config(str(config), {}), None)
    for source in (plain, runs / 'parts' / LAST):
        report = load_weights(model, str(source), part='', min_coverage=1.)
        assert report.coverage == 1. and not report.unused
    official = tmp_path / 'official.pth'
    done = run_tool('convert_checkpoint.py', runs / 'parts' / LAST, official,
                    '--to', 'official')
    assert done.returncode == 0, done.stderr
    assert 'mask_token' in torch.load(official, weights_only=True)['model']


@pytest.fixture
def parts(tmp_path) -> Path:
    """A sharded checkpoint of 3 rows in two files."""
    folder = tmp_path / 'iter_1.pth'
    folder.mkdir()
    rows = torch.arange(6.).view(3, 2)
    for rank, part in enumerate((rows[:2], rows[2:])):
        write_part(folder, rank, part.clone())
    return folder


def write_part(folder: Path, rank: int, rows: object, **more) -> None:
    content = dict(
        state_dict=dict(a=part_of(rows, torch.Size((3, 2)))),
        saved_at=['run', 0, 1])
    torch.save({**content, **more}, folder / file_name(rank, 2))


def test_parts_are_joined(parts):
    assert load_file(str(parts))['state_dict']['a'].tolist() == [
        [0., 1.], [2., 3.], [4., 5.]]  # yapf: disable
    assert find_checkpoint(str(parts)) == str(parts)
    assert find_checkpoint(str(parts.parent)) == str(parts)


def test_what_is_not_one_whole_checkpoint(parts, tmp_path):

    def refused(message: str, path: Path = parts) -> None:
        with pytest.raises(CheckpointError, match=message):
            load_file(str(path))

    refused('is a folder without rank0-of-2.pth or the like', tmp_path)
    refused('is a part of a sharded checkpoint: give its folder, ',
            parts / 'rank0-of-2.pth')
    write_part(parts, 1, torch.zeros(2, 2))
    refused(r'state_dict.a has the shape \(4, 2\) when joined')
    write_part(parts, 1, torch.zeros(1, 2), saved_at=['run', 0, 2])
    refused('mixes files of several checkpoints')
    write_part(parts, 1, torch.zeros(1, 2), state_dict=dict(b=torch.zeros(1)))
    refused('its files are not parts of one checkpoint')
    (parts / 'rank1-of-2.pth').rename(parts / 'rank1-of-3.pth')
    refused('not one whole sharded checkpoint of 3 processes: missing '
            'rank0-of-3.pth, rank2-of-3.pth; too many rank0-of-2.pth')
    (parts / 'rank1-of-3.pth').unlink()
    refused('missing rank1-of-2.pth')
    done = run_tool('convert_checkpoint.py', parts, tmp_path / 'plain.pth')
    assert done.returncode == 1 and 'missing rank1-of-2.pth' in done.stderr
    assert not (tmp_path / 'plain.pth').exists()
    with pytest.raises(CheckpointError, match='no usable checkpoint'):
        find_checkpoint(str(tmp_path))


def test_no_code_of_a_part_runs(parts, tmp_path):

    class Intruder:

        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'trace'), )

    write_part(parts, 1, Intruder())
    with pytest.raises(CheckpointError, match='rank1-of-2.pth holds objects'):
        load_file(str(parts))
    assert not (tmp_path / 'trace').exists()


def test_a_damaged_part_is_noticed(parts):
    shutil.copytree(parts, parts.with_name('iter_2.pth'))
    file = parts.with_name('iter_2.pth') / 'rank1-of-2.pth'
    content = bytearray(file.read_bytes())
    place = content.index(torch.tensor([4., 5.]).numpy().tobytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert find_checkpoint(str(parts.parent)) == str(parts)


@pytest.mark.parametrize('args, message', [
    (dict(state_dict_cfg='sharded'), "choose from .'local', 'full'."),
    (dict(mixed_precision=dict(param_dtype='float99')), "type 'float99'"),
    (dict(mixed_precision=dict(dtype='float16')), "has no 'dtype'"),
])
def test_wrong_arguments(args, message):
    with pytest.raises(ValueError, match=message):
        FullyShardStrategy(**args)


def test_a_model_without_such_blocks():
    with pytest.raises(ValueError, match='Linear has no modules of these'):
        FullyShardStrategy().shard(nn.Linear(2, 2))


def test_strategies_of_mmengine_and_probes_are_refused(project, tmp_path):
    config = tmp_path / 'config.py'
    text = without_hook(project / 'ddp.py')
    theirs = PARTS.replace('FullyShard', 'FSDP')
    flexible = PARTS + "runner_type = 'FlexibleRunner'\n"
    cases = [
        (theirs, [], "mmengine's own go with runner_type="),
        (PARTS, ['--non-finite', 'skip'], 'models that each process holds'),
        (flexible, [], 'leave runner_type out'),
    ]
    for more, args, message in cases:
        config.write_text(text + more)
        with pytest.raises(ValueError, match=message):
            run_tool('train.py', config, '--work-dir', tmp_path / 'w', *args)
