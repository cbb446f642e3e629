"""No entrance for files runs code from them."""
import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


class Intruder:
    """An object whose unpickling creates a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace), )


@pytest.mark.parametrize('tool, arguments', [
    ('train.py', ['--cfg-options', 'load_from={file}']),
    ('train.py', [
        '--cfg-options', 'model.backbone.init_cfg.type=Pretrained',
        'model.backbone.init_cfg.checkpoint={file}'
    ]),
    ('train.py', ['--resume', '{file}']),
    ('train.py', ['--resume', '{folder}']),
    ('test.py', ['{file}']),
    ('replay.py', ['{file}']),
])
def test_tools_with_a_config(run_tool, config, tmp_path, tool, arguments):
    check(run_tool, tmp_path, tool, [
        str(config), *arguments,
        *(['--work-dir', str(tmp_path / 'work')] if tool == 'train.py' else [])
    ])


@pytest.mark.parametrize('tool, arguments', [
    ('convert_checkpoint.py', ['{file}', 'ours.pth']),
    ('convert_checkpoint.py',
     ['{file}', 'theirs.pth', '--to', 'official', '--kind', 'pretrain']),
])
def test_tools_without(run_tool, tmp_path, tool, arguments):
    check(run_tool, tmp_path, tool, arguments)


def check(run_tool, tmp_path, tool, arguments) -> None:
    trace, folder = tmp_path / 'trace', tmp_path / 'given'
    folder.mkdir()
    path = folder / 'epoch_1.pth'
    torch.save(
        dict(
            meta={},
            message_hub={},
            optimizer={},
            state_dict={'backbone.a': Intruder(trace)}), path)
    names = dict(file=path, folder=folder)
    code, log = run_tool(tool, *(item.format(**names) for item in arguments))
    assert code != 0
    assert not trace.exists()
    assert 'not loaded for safety' in log and 'mkdir' in log, log[-2000:]
