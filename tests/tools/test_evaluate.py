"""One checkpoint, evaluated by the recipes that start from it."""
import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from PIL import Image
from tiny_recipes import CONFIGS, PRETRAINING, tiny_checkpoint, tiny_config
from tooling import ROOT, run_tool

from projects.demo.steps import Record, Step
from projects.evaluation import plan, recipes
from projects.evaluation.recognition import recognise
from projects.evaluation.results import format_metafile, format_results
from projects.zoo import fill_tables, find, read_metafile

SHORT = ('train_cfg.max_iters=60', 'train_cfg.val_interval=60',
         'train_dataloader.num_workers=0',
         'train_dataloader.persistent_workers=False',
         'val_dataloader.num_workers=0', 'test_dataloader.num_workers=0')
CLASSIFICATION = ('knn', 'linear', 'low-shot')


@pytest.fixture(scope='module')
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that any features tell apart, in place of data/shapes."""
    folder = tmp_path_factory.mktemp('data')
    random = np.random.default_rng(0)
    for split, count in dict(train=100, val=20).items():
        for channel, name in enumerate(('red', 'green')):
            place = folder / 'shapes/cls' / split / name
            place.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 60, (24, 24, 3), dtype=np.uint8)
                pixels[..., channel] += 180
                Image.fromarray(pixels).save(place / f'{number}.png')
    return folder


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder alone, with the config that it is of."""
    config = tiny_config(PRETRAINING, tmp_path_factory.mktemp('pretraining'))
    path = tiny_checkpoint(
        config,
        cfg=Config.fromfile(config).pretty_text,
        experiment_name='mine_20260101_000000')
    content = torch.load(path)
    content['state_dict'] = {
        name: value
        for name, value in content['state_dict'].items()
        if name.startswith('backbone.')
    }
    torch.save(content, path)
    return path


def run_step(step: Step) -> None:
    work_dir = [] if step.work_dir is None else ['--work-dir', step.work_dir]
    done = run_tool(step.tool, *step.args, *work_dir)
    assert done.returncode == 0, done.stderr


def test_ladder(colours: Path, checkpoint: Path, tmp_path: Path,
                monkeypatch: pytest.MonkeyPatch) -> None:
    """A correct probe tells two colours apart; the rest is a table."""
    # configs are written as they are: formatting takes a second each
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_:
                        (text, False))
    pretraining = recognise(str(checkpoint))
    assert pretraining.config == CONFIGS / PRETRAINING
    ladder = recipes.find_ladder(pretraining.config)
    assert [*ladder] == list(recipes.LADDER)
    settings = plan.Settings(
        str(checkpoint), '0' * 64, data=str(colours), seed=4, options=SHORT)
    done = plan.plan(settings,
                     {rung: ladder[rung][0]
                      for rung in CLASSIFICATION}, tmp_path)
    plan.write_configs(done)
    assert [item.rung for item in done] == [*CLASSIFICATION]
    for item in done:
        run_step(item.step)
    log = next((tmp_path / done[1].recipe.stem).glob('*/*.log')).read_text()
    assert f'weights from {checkpoint}: 100.0% of the' in log

    records = {item.step.name: Record(True, 61.) for item in done}
    lines = format_results(settings, pretraining, done, records).splitlines()
    assert len({len(line) for line in lines[:5]}) == 1
    for line, title in zip(lines[2:5], ('kNN', 'linear probe', 'low-shot')):
        assert line.startswith(f'| {title} ')
        assert '| Top 1 Accuracy 100.0 |' in line and '| 1:01 |' in line
    assert 'k 20, temperature 0.07' in lines[2]
    assert '1000 x all images, learning rate 0.1' in lines[3]
    assert f'- SHA-256 {"0" * 64}' in lines
    assert any(line.startswith('- seed 4') for line in lines)

    models = {
        model['Name']: model['Results']
        for model in yaml.safe_load(
            format_metafile(settings, pretraining, done))['Models']
    }
    assert models[pretraining.config.stem] == [
        dict(
            Task='Image Classification',
            Dataset='data/shapes/cls',
            Metrics={
                'kNN Top 1': 100.,
                'Linear Probe Top 1': 100.,
                'Low-shot Top 1': 100.
            },
            Source='measured here, trained here',
            Setting=', '.join(('seed 4', *SHORT)))
    ]
    assert models[done[1].recipe.stem][0]['Metrics'] == {
        'Top 1 Accuracy': 100.
    }


def fake_results(item: plan.Evaluation, **values: float) -> None:
    """Results as the tools write them."""
    results = item.step.results
    assert results is not None
    if results.suffix == '.json':
        results.parent.mkdir(parents=True)
        results.write_text(json.dumps(values))
        return
    log = results / '20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text(
        json.dumps(dict(loss=1., iter=1, step=1)) + '\n' +
        json.dumps(dict(values, step=0)) + '\n')


@pytest.fixture
def base_ladder(data: Path, tmp_path: Path,
                monkeypatch: pytest.MonkeyPatch) -> list[plan.Evaluation]:
    """The plan of ConvMAE-Base from official weights."""
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_:
                        (text, False))
    name = 'convmae_base_8xb256-amp-coslr-1600e_in1k'
    ladder = recipes.find_ladder(find(name).config)
    settings = plan.Settings(f'zoo://{name}', '', data=str(data))
    made = plan.plan(settings, {
        rung: paths[0]
        for rung, paths in ladder.items()
    }, tmp_path / 'out', 8, '--auto-scale-lr')
    plan.write_configs(made)
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folders that real recipes read, with a file each."""
    coco = 'coco/annotations/instances_{}2017.json'
    ade = 'ade/ADEChallengeData2016/'
    for name in ('imagenet/train/a/1.png', 'imagenet/val/a/1.png',
                 'coco/train2017/1.png', 'coco/val2017/1.png',
                 coco.format('train'), coco.format('val'),
                 *(f'{ade}{part}/{split}/1.png'
                   for part in ('images', 'annotations')
                   for split in ('training', 'validation'))):  # yapf: disable
        path = tmp_path / 'there' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('')
    return tmp_path / 'there'


def test_real_recipes(base_ladder: list[plan.Evaluation], data: Path) -> None:
    """Their own schedules, on other data folders, on eight processes."""
    assert [item.rung for item in base_ladder] == [*recipes.LADDER]
    for item in base_ladder:
        command = item.step.command()
        assert command[1:5] == [
            '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=8'
        ]
        assert command[command.index('--launcher') + 1] == 'pytorch'
        cfg = Config.fromfile(item.job.config, import_custom_modules=False)
        root = cfg.train_dataloader.dataset.data_root
        assert root.startswith(f'{data}/')
        if item.rung != 'knn':
            assert '--auto-scale-lr' in command
            init_cfg = cfg.model.backbone.init_cfg
            assert init_cfg.checkpoint.startswith('zoo://convmae_base')
        text = item.job.config.read_text()
        assert "'data/" not in text
    described = [item.describe() for item in base_ladder]
    assert described[1] == '90 epochs in batches of 512 images, ' \
        'learning rate 1.6'


def test_entries_fit_a_metafile(base_ladder: list[plan.Evaluation], data: Path,
                                tmp_path: Path) -> None:
    """What is written can be pasted, and becomes rows of the README."""
    accuracy = {'accuracy/top1': 85.123, 'accuracy/top5': 97.}
    boxes = {'coco/bbox_mAP': .532, 'coco/segm_mAP': .471}
    labels = dict(mIoU=51.66, mAcc=63.9, aAcc=84.4)
    for item in base_ladder:
        fake_results(
            item,
            **dict(detection=boxes,
                   segmentation=labels).get(item.rung, accuracy))
    settings = plan.Settings('zoo://NAME', '', data=str(data))
    pretraining = recognise('zoo://convmae_base_8xb256-amp-coslr-1600e_in1k')
    made = yaml.safe_load(format_metafile(settings, pretraining, base_ladder))
    entries = {model['Name']: model['Results'] for model in made['Models']}
    assert [result['Dataset'] for result in entries[pretraining.config.stem]
            ] == ['ImageNet-1k', 'COCO 2017', 'ADE20K']
    sources = {
        name: {result['Source']
               for result in results}
        for name, results in entries.items()
    }
    assert sources.pop(
        pretraining.config.stem) == {'measured here, converted weights'}
    assert {'measured here, trained here'} == set.union(*sources.values())

    folder = find(pretraining.config.stem).config.parents[1]
    metafile = yaml.safe_load((folder / 'metafile.yml').read_text())
    for model in metafile['Models']:
        new = copy.deepcopy(entries.get(model['Name'], []))
        model['Results'] = (model['Results'] or []) + new
    place = tmp_path / 'configs/convmae/metafile.yml'
    place.parent.mkdir(parents=True)
    place.write_text(yaml.safe_dump(metafile))
    for path in folder.rglob('*.*'):
        copied = tmp_path / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        if copied != place:
            copied.symlink_to(path)
    readme = fill_tables((folder / 'README.md').read_text(),
                         read_metafile(place))
    (row, ) = [
        line for line in readme.splitlines()
        if '53.2 | 47.1 | measured' in line
    ]
    assert row.startswith('| [mask-rcnn_convmae-base_fpn_')
    assert '| 85.12 | 97.0 | measured here, trained here |' in readme


def test_same_command_continues(colours: Path, checkpoint: Path,
                                tmp_path: Path) -> None:
    out = tmp_path / 'out'
    arguments = [checkpoint, '--data', colours, '--steps', 'knn', '--out', out]
    first = run_tool('evaluate.py', *arguments)
    assert first.returncode == 0, first.stderr
    assert 'kNN' in first.stdout
    table = (out / 'results.md').read_text()
    assert 'Top 1 Accuracy 100.0' in table and table in first.stdout
    again = run_tool('evaluate.py', *arguments)
    assert again.returncode == 0, again.stderr
    assert 'done before' in again.stdout
    assert (out / 'results.md').read_text() == table
    other = run_tool('evaluate.py', *arguments, '--seed', 1)
    assert 'results of other settings' in other.stderr
    assert 'kNN Top 1: 100.0' in (out / 'results.yml').read_text()


def test_dry_run_names_the_recipes(checkpoint: Path, tmp_path: Path) -> None:
    recipe = 'convvit-base_convmae-pre_8xb128-amp-coslr-100e_in1k'
    done = run_tool('evaluate.py', checkpoint, '--steps', f'finetune={recipe}',
                    'knn', '--dry-run', '--out', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ['knn', Path(PRETRAINING).stem], ['finetune', recipe]
    ]  # yapf: disable
    assert not (tmp_path / 'out').exists()


def test_what_cannot_be_evaluated(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'

    def message(*args) -> str:
        done = run_tool('evaluate.py', *args, '--out', out)
        assert done.returncode == 1
        assert done.stderr.count('evaluate: error: ') == 1
        assert 'Traceback' not in done.stderr
        assert not out.exists()
        return done.stderr

    assert "unknown step 'liner'; choose from knn, linear, low-shot, " \
        'finetune, detection, segmentation. Did you mean ' \
        "'linear'?" in message(checkpoint, '--steps', 'liner')
    assert '--gpus is 0; expected 1 or more' in message(
        checkpoint, '--gpus', 0)
    assert 'nothing.pth does not exist' in message(tmp_path / 'nothing.pth')
    zoo_name = 'convmae_base_8xb256-amp-coslr-1600e_in1k'
    assert 'linear, convvit-base_convmae-pre_8xb512-amp-linear-coslr-90e_' \
        'in1k: train_dataloader.dataset.data_root: data/imagenet does not ' \
        'exist' in message(f'zoo://{zoo_name}', '--steps', 'linear')
    assert f'{tmp_path}/imagenet does not exist' in message(
        f'zoo://{zoo_name}', '--steps', 'linear', '--data', tmp_path)
    assert 'is a recipe for other data; the embedded shapes' in message(
        f'zoo://{zoo_name}', '--steps', 'linear', '--data', 'shapes')
    assert '--quick: convvit-base_' in message(f'zoo://{zoo_name}', '--steps',
                                               'linear', '--quick')
    extrema = 'configs/extrema/demo/' \
        'extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_shapes.py'
    assert 'no recipe for detection starts from extrema_tiny-mask08x5' in \
        message(checkpoint, '--config', extrema, '--steps', 'detection')
    config = CONFIGS / PRETRAINING
    assert 'cannot start from a checkpoint: its model.backbone.init_cfg' in \
        message(checkpoint, '--steps', f'linear={config}')
    assert 'missing.py does not exist' in message(checkpoint, '--steps',
                                                  'linear=missing.py')


@pytest.mark.slow
def test_two_processes(tmp_path: Path, checkpoint: Path) -> None:
    out = tmp_path / 'out'
    subprocess.run([
        sys.executable, ROOT / 'tools/evaluate.py', checkpoint, '--steps',
        'knn', 'linear', 'finetune', '--quick', '--gpus', '2', '--out', out],
        check=True, timeout=1800)  # yapf: disable
    assert len((out / 'results.md').read_text().splitlines()) > 5
    starts = [(out / 'steps' /
               f'{path.stem}.log').read_text().count('torch.distributed.run')
              for path in sorted((out / 'steps').glob('convvit*.json'))]
    assert starts == [0, 1]  # frozen features are of one process


@pytest.mark.slow
def test_whole_ladder_on_embedded_data(tmp_path: Path,
                                       checkpoint: Path) -> None:
    out = tmp_path / 'out'
    subprocess.run([
        sys.executable, ROOT / 'tools/evaluate.py', checkpoint, '--data',
        'shapes', '--quick', '--out', out],
        check=True, timeout=1800)  # yapf: disable
    results = yaml.safe_load((out / 'results.yml').read_text())
    summary = {
        name: value
        for result in results['Models'][0]['Results']
        for name, value in result['Metrics'].items()
    }
    assert set(summary) == {
        'kNN Top 1', 'Linear Probe Top 1', 'Low-shot Top 1',
        'Fine-tuned Top 1', 'Mask R-CNN box AP', 'Mask R-CNN mask AP',
        'UperNet mIoU', 'UperNet mAcc', 'UperNet aAcc'
    }
    assert all(0 <= value <= 100 for value in summary.values())
