"""Fenced code blocks of the documentation, and what their commands mean.

An HTML comment on the line before a block says how it is tested:

    none                        it is run, after the blocks before it
    <!-- with: KIND -->         it is run with CONFIG, CHECKPOINT, IMAGE ...
                                replaced by those of a tiny model of that kind
    <!-- needs: WHAT -->        it is not run: data, weights, devices or hours
                                that a test does not have
    <!-- covered by: TESTS -->  it is not run: those tests run the same

Whatever is not run is checked: scripts and configs exist, the arguments
parse, and changes of a config name settings that it has.
"""
import argparse
import importlib.util
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tooling import ROOT, run_tool

from projects.engine import launch

IGNORED = {'checkpoints', 'data', 'demo_out', 'site', 'work_dirs'}  # by git
MARKER = re.compile(r'<!-- (with|needs|covered by): (.+?) -->')
FENCE = re.compile(r'^```(\S*)\n(.*?)^```$', re.M | re.S)
PLACEHOLDER = re.compile(r'[A-Z][A-Z_]+$')
# Programs that documentation may call besides the project's own tools.
PROGRAMS = {'cd', 'export', 'sbatch', 'source', 'srun'}
ASSIGNMENT = re.compile(r'^([A-Z_]+)=(\S+)$', re.M)
SHELL = re.compile(r'[|<>&;]')
# How many words a launcher takes before the arguments of the tool.
LAUNCHERS = {
    'dist_train.sh': ('train.py', 'CONFIG GPUS'),
    'dist_test.sh': ('test.py', 'CONFIG CHECKPOINT GPUS'),
    'slurm_train.sh': ('train.py', 'PARTITION JOB CONFIG WORK_DIR'),
}


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, first line, language, text and marker."""
    page: str
    line: int
    language: str
    text: str
    marker: str
    value: str

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'

    @property
    def runs(self) -> bool:
        """Whether the block is run as it stands or with a tiny model."""
        return self.marker in ('', 'with')


def pages() -> list[Path]:
    """All Markdown files of the repository."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob('*.md'))
    return sorted(ROOT / path for path in found
                  if path.parts[0] not in IGNORED and not any(
                      part.startswith('.') for part in path.parts))


def blocks_of(path: Path, languages: tuple[str, ...]) -> list[Block]:
    """The blocks of a page in some languages."""
    text = path.read_text(encoding='utf-8')
    found = []
    for match in FENCE.finditer(text):
        before = text[:match.start()].splitlines()
        marker = MARKER.fullmatch(before[-1]) if before else None
        if match[1] in languages:
            found.append(
                Block(
                    str(path.relative_to(ROOT)),
                    len(before) + 1, match[1], match[2],
                    *(marker.groups() if marker else ('', ''))))
    return found


def commands_of(block: Block) -> list[str]:
    """The commands of a shell block, a line each.

    Variables that this or an earlier block of the page sets are replaced.
    """
    page = (ROOT / block.page).read_text() if block.line else ''
    earlier = '\n'.join(page.splitlines()[:block.line])
    variables = dict(ASSIGNMENT.findall(earlier))
    commands = []
    for line in block.text.replace('\\\n', ' ').splitlines():
        assigned = ASSIGNMENT.fullmatch(line)
        if assigned:
            variables[assigned[1]] = assigned[2]
            continue
        for name, value in variables.items():
            line = line.replace(f'${name}', value)
        # of a command that only goes on, the start is any training's
        line = re.sub('^…', 'python tools/train.py CONFIG', line)
        if line.strip() and not line.startswith('#'):
            commands.append(line)
    return commands


def words_of(command: str) -> list[str]:
    """Words of a command, without comments and leading assignments."""
    words = shlex.split(command, comments=True)
    while words and re.match(r'[A-Z_]+=', words[0]):
        words.pop(0)
    return words


class _Parsed(Exception):
    """Carries what a tool has parsed, in place of running it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.found = args


def parse(tool: str, words: list[str]) -> argparse.Namespace:
    """What ``tools/<tool>`` makes of its arguments; nothing is run.

    Raises:
        AssertionError: With the tool's message if they do not parse.
    """
    original = argparse.ArgumentParser.parse_args

    def stop(self, *args, **kwargs):
        raise _Parsed(original(self, *args, **kwargs))

    with mock.patch.object(argparse.ArgumentParser, 'parse_args', stop):
        try:
            done = run_tool(tool, *words)
        except _Parsed as parsed:
            return parsed.found
    raise AssertionError(done.stderr or f'{tool} parses nothing')


def tool_of(words: list[str]) -> tuple[str, list[str]] | None:
    """The Python tool that a command ends in, and its arguments.

    Raises:
        AssertionError: If the script does not exist or words are missing.
    """
    if words[0] not in ('python', 'bash') or words[1].startswith('-'):
        return None
    script = words[1]
    assert script.startswith('tools/'), f'{script} is not in tools/'
    assert (ROOT / script).is_file(), f'{script} does not exist'
    if words[0] == 'python':
        return script.removeprefix('tools/'), words[2:]
    if script.removeprefix('tools/') not in LAUNCHERS:
        return None
    tool, usage = LAUNCHERS[script.removeprefix('tools/')]
    names = usage.split()
    given = dict(zip(names, words[2:]))
    assert len(given) == len(names), f'{script} needs {usage}'
    gpus = given.get('GPUS', '8')
    assert gpus.isdigit() or PLACEHOLDER.match(gpus), f'{gpus} GPUS'
    model = [given[name] for name in ('CONFIG', 'CHECKPOINT') if name in given]
    rest = words[2 + len(names):]
    return tool, [*model, '--launcher', 'pytorch', *rest]


def check_command(command: str) -> None:
    """Check a command that is not run.

    Raises:
        AssertionError: If something in it does not exist or does not parse.
        ValueError, FileNotFoundError: From the config or changes to it.
    """
    words = words_of(command)
    for word in words:
        if word.startswith('configs/') and not word.startswith('configs/mine'):
            assert (ROOT / word).exists(), f'{word} does not exist'
    if words[0] == 'make':
        return check_make(words[1:])
    tool = tool_of(words) if words[0] in ('python', 'bash') else None
    if tool is not None:
        args = parse(*tool)
        config = getattr(args, 'config', None)
        if isinstance(config, str) and not PLACEHOLDER.match(config) \
                and not config.startswith('configs/mine'):
            launch.load_config(config, getattr(args, 'cfg_options', {}))
    elif words[:2] == ['python', '-m']:
        assert importlib.util.find_spec(words[2]), f'no module {words[2]}'
    else:
        assert words[0] in PROGRAMS or shutil.which(words[0]), words[0]


def check_make(words: list[str]) -> None:
    """Targets exist, and so do the variables that are given.

    Raises:
        AssertionError: If one does not.
    """
    makefile = (ROOT / 'Makefile').read_text()
    for word in words:
        name, _, value = word.partition('=')
        if value:
            assert f'$({name})' in makefile or f'{name} ?=' in makefile, \
                f'the Makefile has no variable {name}'
        else:
            assert re.search(f'^{name}:', makefile, re.M), \
                f'the Makefile has no target {name}'


def check_cover(block: Block) -> None:
    """The tests that a marker names exist and speak of what it covers.

    Raises:
        AssertionError: If one does not.
    """
    texts = []
    for name in block.value.split(', '):
        file, _, test = name.partition('::')
        assert (ROOT / file).is_file(), f'{file} does not exist'
        texts.append((ROOT / file).read_text())
        assert not test or f'def {test}(' in texts[-1], f'{file} has no {test}'
    text = '\n'.join(texts)
    if block.language == 'python':
        assert Path(block.page).name in text, f'nothing reads {block.page}'
        return
    for command in commands_of(block):
        words = words_of(command)
        if words[0] == 'make':
            script = dict(setup='setup.sh', demo='demo.py').get(words[1], '')
        else:
            script = Path(words[1]).name
        assert script in text, f'{block.value} does not speak of {script}'
