"""Every config of the zoo: it loads, names things that exist, and trains.

New configs are covered by existing; see ``shrink.py`` for the models.
"""
import ast
import copy
import functools
import hashlib
import itertools
import json
import math
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mmcv.ops
import mmengine.registry
import numpy as np
import pytest
import torch
import yaml
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmengine.model import is_model_wrapper
from mmengine.registry import MODELS, DefaultScope, Registry
from mmpretrain.datasets import CIFAR10
from mmpretrain.datasets.categories import CIFAR10_CATEGORIES
from mmpretrain.registry import BATCH_AUGMENTS
from shrink import dicts_of, shrink, use_data

from projects.engine import GlimpseRunner
from projects.shapes import Recipe, make_dataset
from projects.zoo import read_metafile

ROOT = Path(__file__).parent.parent
CONFIGS = sorted(
    path for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parent.parts)
# these are small, of all toolboxes, and not in the zoo's records
SMALL = ('demo', 'photographs')
RECIPES = [path for path in CONFIGS if path.parent.name not in SMALL]
METAFILES = sorted((ROOT / 'configs').glob('*/metafile.yml'))
SCOPES = dict(
    pretrain='mmpretrain',
    finetune='mmpretrain',
    linear='mmpretrain',
    **{'low-shot': 'mmpretrain'},
    inpainting='mmpretrain',
    detection='mmdet',
    segmentation='mmseg')
REGISTRIES = [
    value for value in vars(mmengine.registry).values()
    if isinstance(value, Registry)
]

each_config = pytest.mark.parametrize(
    'path', CONFIGS, ids=[path.stem for path in CONFIGS])
each_recipe = pytest.mark.parametrize(
    'path', RECIPES, ids=[path.stem for path in RECIPES])
each_metafile = pytest.mark.parametrize(
    'path', METAFILES, ids=[path.parent.name for path in METAFILES])


@functools.cache
def load(path: Path) -> Config:
    """The config, read once, with its modules imported."""
    return Config.fromfile(path)


def test_there_are_configs() -> None:
    assert CONFIGS and METAFILES


@each_recipe
def test_folder_decides_the_scope(path: Path) -> None:
    assert load(path).default_scope == SCOPES[path.parent.name]


@each_config
def test_header(path: Path) -> None:
    """It says what to run and what to expect."""
    header = ast.get_docstring(ast.parse(path.read_text()))
    assert header, 'no docstring'
    fields = {line.split(' ')[0] for line in header.splitlines()}
    assert {'Paper', 'Run', 'Expect', 'Differs'} <= fields
    assert f'{path.parent.relative_to(ROOT)}/<this file>' in header


@each_config
def test_inherits_at_most_one_leaf(path: Path) -> None:
    """A reader follows a leaf to one parent and from there to bases."""

    def leaves_below(file: Path) -> list[Path]:
        tree = ast.parse(file.read_text())
        bases = [
            ast.literal_eval(node.value) for node in tree.body
            if isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == '_base_'
        ]
        names = bases[0] if bases else []
        names = [names] if isinstance(names, str) else names
        files = [(file.parent / name).resolve() for name in names
                 if '::' not in name]
        return [base for base in files if '_base_' not in base.parent.parts]

    parents = leaves_below(path)
    assert len(parents) <= 1
    assert not any(leaves_below(parent) for parent in parents)


@each_config
def test_learning_rate_can_follow_the_batch_size(path: Path) -> None:
    """auto_scale_lr is set to the batch size that the name states."""
    cfg = load(path)
    gpus, per_gpu = next(
        part.split('-')[0].split('xb') for part in path.stem.split('_')
        if 'xb' in part.split('-')[0])
    assert cfg.train_dataloader.batch_size == int(per_gpu)
    assert cfg.auto_scale_lr.base_batch_size == int(gpus) * int(per_gpu)


def types_in(cfg: Config) -> Iterator[str]:
    for node in dicts_of(cfg._cfg_dict):
        if isinstance(node.get('type'), str):
            yield node['type']


@each_config
def test_every_type_exists(path: Path) -> None:
    cfg = load(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        registries = [*REGISTRIES, BATCH_AUGMENTS]
        found = {}
        for kind in set(types_in(cfg)):
            for registry in registries:
                with registry.switch_scope_and_registry(None) as scoped:
                    found[kind] = scoped.get(kind) is not None
                if found[kind]:
                    break
            else:  # mmdet takes operators by the names of their classes
                found[kind] = hasattr(mmcv.ops, kind)
    unknown = [kind for kind, known in found.items() if not known]
    assert unknown == []


@pytest.fixture(scope='session')
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Small data sets with the folders and names of the real ones."""
    folder = tmp_path_factory.mktemp('zoo')
    shapes = folder / 'shapes'
    make_dataset(shapes, Recipe('smoke'), jobs=1)

    def link(source: str, target: str) -> Path:
        place = folder / 'data' / target
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(shapes / source)
        return place

    link('.', 'shapes')
    link('cls', 'imagenet')
    link('video', 'k400')
    link('video/labels.json', 'ssv2/labels/labels.json')
    link('video/train.json', 'ssv2/labels/train.json')
    for clip in sorted((shapes / 'video/train').iterdir()):
        link(f'video/train/{clip.name}',
             f'ssv2/20bn-something-something-v2/{clip.stem}.webm')
    link('cls', 'imagenet22k')
    ade = 'ade/ADEChallengeData2016'
    for part in ('images', 'annotations'):
        link(f'seg/{part}/train', f'{ade}/{part}/training')
        link(f'seg/{part}/val', f'{ade}/{part}/validation')
        for split in ('train', 'val'):
            link(f'seg/{part}/{split}', f'camvid/{part}/{split}')
    kinds = sorted((shapes / 'cls/train').iterdir())
    for name, kind in zip(CIFAR10_CATEGORIES, itertools.cycle(kinds)):
        link(f'cls/train/{kind.name}', f'cifar10_jpeg/train/{name}')
        link(f'cls/val/{kind.name}', f'cifar10_jpeg/test/{name}')
    (folder / 'data/coco/annotations').mkdir(parents=True)
    for split in ('train', 'val'):
        link(f'det/{split}', f'coco/{split}2017')
        annotations = json.loads(
            (shapes / f'det/annotations/instances_{split}.json').read_text())
        annotations['categories'] = [
            dict(id=number, name=name)
            for number, name in enumerate(CocoDataset.METAINFO['classes'], 1)
        ]
        place = folder / f'data/coco/annotations/instances_{split}2017.json'
        place.write_text(json.dumps(annotations))
    return str(folder)


@pytest.fixture(scope='session', autouse=True)
def cifar10_arrays(data: str) -> Iterator[None]:
    """Small batches of CIFAR-10's form, which the data set takes for it."""
    folder = Path(data, 'data/cifar10', CIFAR10.base_folder)
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(
        0, 256, (4, 3 * 32 * 32), dtype=np.uint8)
    batch = pickle.dumps(dict(data=images, labels=[0, 1, 2, 3]))
    (folder / 'batch').write_bytes(batch)
    names = pickle.dumps(dict(label_names=list(CIFAR10_CATEGORIES)))
    (folder / 'meta').write_bytes(names)
    files = [['batch', hashlib.md5(batch).hexdigest()]]
    meta = dict(
        filename='meta', key='label_names', md5=hashlib.md5(names).hexdigest())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dict(
                train_list=files, test_list=files, meta=meta).items():
            patch.setattr(CIFAR10, name, value)
        yield


@pytest.fixture
def plain_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs are logged as they are: formatting takes a second each time."""
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_:
                        (text, False))


@each_config
def test_trains_one_step(path: Path, data: str, tmp_path: Path,
                         plain_logs: None) -> None:
    """With its own pipeline on files, its own loss, groups and schedule."""
    cfg = copy.deepcopy(load(path))
    shrink(cfg)
    use_data(cfg, data)
    cfg.work_dir = str(tmp_path)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=1)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    runner = GlimpseRunner.from_cfg(cfg)
    runner.train()

    loss = runner.message_hub.get_scalar('train/loss').current()
    assert math.isfinite(loss)
    model = runner.model.module if is_model_wrapper(
        runner.model) else runner.model
    updated = runner.optim_wrapper.optimizer.state
    idle = [
        name for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter not in updated
    ]
    # distributed training has to know of parameters without a gradient
    assert bool(idle) == cfg.get('find_unused_parameters', False), idle


def test_unknown_backbones_are_told() -> None:
    cfg = copy.deepcopy(load(CONFIGS[0]))
    cfg.model.backbone = dict(type='ResNet', depth=50)
    with pytest.raises(
            KeyError, match='teach tests/shrink.py the backbone '
            'ResNet'):
        shrink(cfg)


@each_metafile
def test_metafile_lists_every_config(path: Path) -> None:
    listed = [model['Name'] for model in read_metafile(path)['Models']]
    assert sorted(listed) == sorted(config.stem for config in RECIPES
                                    if path.parent in config.parents)


def test_every_config_has_a_metafile() -> None:
    folders = {path.parent.parent for path in CONFIGS}
    assert folders == {path.parent for path in METAFILES}
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert [ROOT / name for name in index['Import']] == METAFILES


@each_recipe
def test_metafile_has_the_facts_of_the_config(
        path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = copy.deepcopy(load(path))
    for name in ('kaiming_uniform_', 'kaiming_normal_', 'normal_', 'uniform_',
                 'xavier_uniform_', 'trunc_normal_'):
        monkeypatch.setattr(torch.nn.init, name,
                            lambda tensor, *_, **__: tensor)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    metafile = read_metafile(path.parent.parent / 'metafile.yml')
    facts = {
        entry['Name']: entry['Metadata']
        for entry in metafile['Models']
    }[path.stem]
    assert facts['Parameters'] == sum(parameter.numel()
                                      for parameter in model.parameters())
    assert facts['Batch Size'] == cfg.auto_scale_lr.base_batch_size
    unit, key = ('Epochs', 'max_epochs') if 'max_epochs' in cfg.train_cfg \
        else ('Iterations', 'max_iters')
    assert facts[unit] == cfg.train_cfg[key]


@each_metafile
def test_a_recipe_is_downstream_of_what_it_starts_from(path: Path) -> None:
    models = {model['Name']: model for model in read_metafile(path)['Models']}
    for name, model in models.items():
        init_cfg = load(ROOT / model['Config']).model.backbone.get('init_cfg')
        start = Path((init_cfg or {}).get('checkpoint', '')).parent.name
        if start in models:
            assert name in models[start]['Downstream'], start


def test_tables_are_made_from_the_metafiles() -> None:
    done = subprocess.run(
        [sys.executable,
         str(ROOT / 'tools/make_tables.py'), '--check'],
        capture_output=True,
        text=True)
    assert done.returncode == 0, done.stderr
