"""The demonstration of MIMDet: all its commands, at the shortest."""
import pytest
from tooling import run_tool

from projects.demo import methods, plan
from projects.demo.report import format_report
from projects.demo.steps import Record
from projects.shapes import Recipe, make_dataset


def test_all_steps(tmp_path, monkeypatch):
    """One training on half of the tokens, three tests, three pictures."""
    # configs are logged as they are: formatting takes a second each time
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_:
                        (text, False))
    monkeypatch.setattr(plan, 'QUICK_PRETRAINING', 2)
    monkeypatch.setattr(plan, 'QUICK_TRAINING', 2)
    method = methods.load('mimdet')
    make_dataset(
        tmp_path / 'shapes', Recipe('smoke', parts=method.PARTS), jobs=1)
    demo = plan.Demo(plan.Settings('mimdet', quick=True), tmp_path, None)
    method.plan(demo)
    records = {}
    for step in demo.steps:
        work_dir = [] if step.work_dir is None else [
            '--work-dir', step.work_dir
        ]
        done = run_tool(step.tool, *step.args, *work_dir)
        assert done.returncode == 0, (step.name, done.stderr)
        records[step.name] = Record(True, 1.)

    assert [row.what for row in demo.rows] == [
        'pretraining', 'detector, training', 'detector, 25 % of tokens',
        'detector, 50 % of tokens', 'detector, 100 % of tokens'
    ]
    for row in demo.rows[2:]:
        box, mask = row.measured()
        assert 0 <= box <= 100 and 0 <= mask <= 100
    assert 'box AP' in format_report(demo, records)
    assert {path.name
            for path in tmp_path.glob('*.png')} == {
                'curves_pretraining.png', 'curves_detection.png',
                *(f'predictions_tokens{n}.png' for n in (25, 50, 100))
            }
    log = next((tmp_path / 'detector').glob('*/*.log')).read_text()
    assert f'weights from {tmp_path}/pretrain/iter_2.pth' in log


@pytest.mark.slow
def test_finds_objects_at_every_ratio(tmp_path):
    """So short a training does not gain by more tokens, as the paper's do."""
    done = run_tool('demo.py', '--method', 'mimdet', '--out', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    demo = plan.Demo(plan.Settings('mimdet'), tmp_path / 'out', None)
    methods.load('mimdet').plan(demo)
    for row in demo.rows[2:]:
        box, mask = row.measured()
        assert min(box, mask) > 10, row.what
