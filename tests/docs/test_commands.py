"""Commands and code in the documentation run, or are at least right.

``tests/doc_blocks.py`` says how blocks are marked. The blocks of a page run
in their order in one folder, which looks like the repository and has the
embedded data set in data/shapes.
"""
import re
import shutil
import sys

import mmengine.registry
import pytest
import torch
from doc_blocks import (SHELL, Block, blocks_of, check_command, check_cover,
                        commands_of, pages, tool_of, words_of)
from mmengine.config import Config
from tiny_recipes import (CLASSIFIER, DETECTOR, PRETRAINING, SEGMENTOR,
                          tiny_checkpoint, tiny_config, write_images)
from tooling import ROOT, run_tool

import projects
from projects.shapes import Recipe, make_dataset
from projects.zoo.models import build_model

RECIPES = dict(
    pretraining=PRETRAINING,
    classifier=CLASSIFIER,
    detector=DETECTOR,
    segmentor=SEGMENTOR)
PAGES = [path for path in pages() if 'tests' not in path.parts[-3:]]
SHELLS, CODE = ('bash', 'console'), ('python', )
BLOCKS = {
    str(path.relative_to(ROOT)): blocks_of(path, SHELLS + CODE)
    for path in PAGES
}
ALL = [block for blocks in BLOCKS.values() for block in blocks]
FILE = re.compile(r'# ((?:configs|projects)/\S+\.py)\n')


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """The embedded data set, as small as it gets."""
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    make_dataset(folder, Recipe('smoke', parts=('cls', 'det', 'seg')))
    return folder


@pytest.fixture
def sandbox(tmp_path, shapes, monkeypatch):
    """A folder like the repository; what is registered in it is forgotten."""
    for name in ('tools', 'docs', 'setup.cfg'):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(
        ROOT / 'configs',
        tmp_path / 'configs',
        ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('projects', 'data', 'work_dirs'):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        projects, '__path__',
        [*projects.__path__, str(tmp_path / 'projects')])
    modules = set(sys.modules)
    registries = [
        value for value in vars(mmengine.registry).values()
        if isinstance(value, mmengine.registry.Registry)
    ]
    names = [dict(registry.module_dict) for registry in registries]
    yield tmp_path
    for name in set(sys.modules) - modules:
        if name.startswith('projects.mine'):
            del sys.modules[name]
            vars(projects).pop('mine', None)
    for registry, before in zip(registries, names):
        for name in set(registry.module_dict) - set(before):
            if registry.module_dict[name].__module__.startswith(
                    'projects.mine'):
                del registry.module_dict[name]


def values_of(block: Block, folder) -> dict[str, str]:
    """What CONFIG and its like stand for in a block."""
    if block.marker != 'with':
        return {}
    assert block.value in RECIPES, f'{block}: choose from {list(RECIPES)}'
    made = folder / 'work_dirs' / block.value
    made.mkdir(exist_ok=True)
    config = tiny_config(RECIPES[block.value], made)
    images = write_images(made / 'images', [(96, 128), (128, 96)])
    return dict(
        CONFIG=str(config),
        CHECKPOINT=str(tiny_checkpoint(config)),
        IMAGE=str(images[0]),
        IMAGES=str(images[0].parent),
        IMAGE_OR_FOLDER=str(images[0].parent))


def run_command(command: str, values: dict[str, str]) -> str:
    """Run one of the project's tools; what it printed.

    Raises:
        AssertionError: If it fails, or if it is another program: those may
            reach out of the folder, so their blocks are marked.
    """
    for name, value in values.items():
        command = re.sub(rf'\b{name}\b', value, command)
    words = words_of(command)
    assert words[0] == 'python' and not SHELL.search(command), \
        f'only tools are run here; mark the block of: {command}'
    tool, args = tool_of(words)
    done = run_tool(tool, *args)
    assert done.returncode == 0, f'{command}\n{done.stdout}{done.stderr}'
    return done.stdout


def run_shell(block: Block, values: dict[str, str]) -> None:
    """Run a block's commands; those after a '$' print what follows them."""
    if block.language == 'bash':
        for command in commands_of(block):
            run_command(command, values)
        return
    for entry in re.split(r'^\$ ', block.text, flags=re.M)[1:]:
        command, _, shown = entry.partition('\n')
        assert shown.strip() in run_command(command, values), block


def run_python(block: Block, folder, names: dict) -> None:
    """Run code; a block that begins with the name of a file is saved there.

    A config that is saved is read, and its model is built.
    """
    file = FILE.match(block.text)
    if file is None:
        exec(compile(block.text, str(block), 'exec'), names)
        build_pipelines(names)
        return
    path = folder / file[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text)
    if file[1].startswith('configs/'):
        build_model(Config.fromfile(path), None)


def build_pipelines(names: dict) -> None:
    """Build the data pipeline that a block has defined."""
    pipeline = names.pop('pipeline', None)
    if isinstance(pipeline, list):
        from mmcv.transforms import Compose
        from mmengine.registry import DefaultScope

        import projects.video  # noqa: F401
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            Compose(pipeline)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize(
    'page', [page for page, found in BLOCKS.items()
             if any(block.runs for block in found)])  # yapf: disable
def test_page_runs(page, sandbox, shapes):
    names: dict = {}
    if 'make_shapes.py data/shapes' not in (ROOT / page).read_text():
        (sandbox / 'data/shapes').symlink_to(shapes)
    for block in BLOCKS[page]:
        torch.manual_seed(0)
        if not block.runs:
            continue
        if block.language in CODE:
            run_python(block, sandbox, names)
        else:
            run_shell(block, values_of(block, sandbox))


@pytest.mark.parametrize(
    'block', [block for block in ALL if not block.runs], ids=str)
def test_block_is_right(block, monkeypatch):
    monkeypatch.chdir(ROOT)
    if block.marker == 'covered by':
        check_cover(block)
    if block.language in CODE:
        compile(block.text, str(block), 'exec')
        return
    for command in commands_of(block):
        check_command(command)


def test_no_command_hides_in_another_block():
    for path in PAGES:
        for block in blocks_of(path, ('', 'text', 'sh', 'shell')):
            assert not re.search(r'^(\$ |python |bash |make )', block.text,
                                 re.M), f'{block}: call it bash or console'


@pytest.mark.parametrize('command, said', [
    ('python tools/gone.py', 'does not exist'),
    ('python tools/train.py', 'config'),
    ('python tools/train.py CONFIG --resumee', 'resumee'),
    ('python tools/train.py configs/convmae/gone.py', 'does not exist'),
    ('bash tools/dist_train.sh CONFIG', 'needs CONFIG GPUS'),
    ('bash tools/dist_train.sh CONFIG 8 --ampp', 'ampp'),
    ('bash tools/dist_test.sh CONFIG CHECKPOINT eight', 'eight GPUS'),
    ('make cake', 'no target'),
    ('make demo FAST=1', 'no variable'),
    ('python -m nobody_has_this', 'no module'),
    ('nobody-has-this', 'nobody-has-this'),
])
def test_wrong_commands_are_found(command, said):
    with pytest.raises(AssertionError, match=said):
        check_command(command)


@pytest.mark.parametrize('command', [
    'git clone https://example.org/x', 'python tools/zoo.py list | head',
    'bash tools/dist_train.sh CONFIG 2', 'make demo'
])
def test_only_tools_are_run(command):
    with pytest.raises(AssertionError, match='only tools are run here'):
        run_command(command, {})


def test_wrong_settings_are_found():
    config = f'configs/{PRETRAINING}'
    check_command(f'python tools/train.py {config} --cfg-options '
                  'train_dataloader.batch_size=2')
    with pytest.raises(ValueError, match='batch_siz'):
        check_command(f'… {config}'.replace('…', 'python tools/train.py') +
                      ' --cfg-options train_dataloader.batch_siz=2')


def test_wrong_covers_are_found():
    block = Block('README.md', 1, 'bash', 'python tools/zoo.py list\n',
                  'covered by', 'tests/tools/test_zoo.py')
    check_cover(block)
    for cover, said in (('tests/gone.py', 'does not exist'),
                        ('tests/tools/test_zoo.py::test_gone', 'no test_gone'),
                        ('tests/tools/test_demo.py', 'does not speak')):
        with pytest.raises(AssertionError, match=said):
            check_cover(
                Block('README.md', 1, 'bash', block.text, 'covered by', cover))
