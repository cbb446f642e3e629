"""Curves from logs as mmengine writes them."""
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tooling import run_tool

from projects.analysis.curves import find_logs, read_curve, smooth


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was stopped after step 4, and resumed from step 2."""
    folder = tmp_path / 'run'
    parts = {
        '20260101_000000': {1: 10., 2: 9., 3: 8., 4: 7.},
        '20260101_010000': {3: 8., 4: 6., 5: 5., 6: 4.},
    }  # yapf: disable
    for start, losses in parts.items():
        log = folder / start / 'vis_data/scalars.json'
        log.parent.mkdir(parents=True)
        entries = [
            dict(lr=.1, loss=loss, step=step) for step, loss in losses.items()
        ]
        entries.append({'accuracy/top1': 50., 'step': max(losses)})
        log.write_text(''.join(json.dumps(e) + '\n' for e in entries))
    return folder


def test_resumed_parts_are_joined(run: Path) -> None:
    steps, values = read_curve(find_logs(run), 'loss')
    assert steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert values.tolist() == [10, 9, 8, 6, 5, 4]
    steps, values = read_curve(find_logs(run), 'accuracy/top1')
    assert (steps.tolist(), values.tolist()) == ([4, 6], [50, 50])


def test_smooth_is_a_mean() -> None:
    assert smooth(np.full(9, 3.), 4).tolist() == [3.] * 9
    assert smooth(np.arange(5.), 3).tolist() == [.5, 1, 2, 3, 3.5]
    assert smooth(np.arange(3.), 99).tolist() == [.5, 1, 1.5]


@pytest.mark.parametrize('suffix', ['png', 'pdf', 'svg'])
def test_picture(run: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f'pictures/curves.{suffix}'
    one_log = find_logs(run)[0]
    done = run_tool('analysis/analyze_logs.py', run, one_log, '--keys', 'loss',
                    'accuracy/top1', '--out', out)
    assert done.returncode == 0, done.stderr
    assert list(out.parent.iterdir()) == [out]
    if suffix == 'png':
        with Image.open(out) as image:
            assert image.size == (1200, 480)
            assert len(image.convert('RGB').getcolors(1 << 20)) > 10


def test_a_run_without_the_quantity_is_left_out(run: Path,
                                                tmp_path: Path) -> None:
    short = tmp_path / 'short.json'
    short.write_text('{"loss": 1.0, "step": 1}\n')
    done = run_tool('analysis/analyze_logs.py', short, run, '--keys',
                    'accuracy/top1', '--out', tmp_path / 'a.png')
    assert done.returncode == 0, done.stderr


def test_bad_input(run: Path, tmp_path: Path) -> None:
    out = tmp_path / 'curves.png'

    def message(*args, name: Path = out) -> str:
        done = run_tool('analysis/analyze_logs.py', *args, '--out', name)
        assert done.returncode == 1
        assert done.stderr.count('error: ') == 1
        assert 'Traceback' not in done.stderr
        assert not name.exists()
        return done.stderr

    assert "has no 'los'; it has accuracy/top1, loss, lr" in message(
        run, '--keys', 'los')
    assert 'no log of a run in' in message(tmp_path / 'nothing')
    text = tmp_path / 'notes.txt'
    text.write_text('hello\n')
    assert "notes.txt, line 1 is no entry of a training log: 'hello'" in \
        message(text)
    assert "Format 'txt' is not supported" in message(
        run, name=tmp_path / 'curves.txt')
