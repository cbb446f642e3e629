"""Losses that are not finite are explained, or their batch is left out."""
import runpy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from projects.engine.checkpoint_io import save_whole
from projects.engine.non_finite import find_cause, replay
from projects.engine.run_state import random_state

TOOLS = Path(__file__).parents[2] / 'tools'


def fault(**what: int) -> list[str]:
    return [f'custom_hooks.0.{name}={value}' for name, value in what.items()]


def test_a_bad_batch_is_explained_and_replayed(run_tool, config, tmp_path):
    work = tmp_path / 'work'
    code, log = run_tool('train.py', config, '--work-dir', work,
                         '--non-finite', 'explain', '--cfg-options',
                         *fault(bad_batch_at=9))
    assert code == 1
    assert f'going back to {work}/epoch_1.pth' in log
    assert 'at iteration 9 the output of data_preprocessor' in log
    bundle = work / 'non_finite_iter_9.pth'
    assert str(bundle) in log and '.png' in log.rsplit('Files: ')[-1]
    assert not (work / 'epoch_2.pth').exists()

    code, log = run_tool('replay.py', config, bundle)
    assert code == 0, log
    assert 'found now: the output of data_preprocessor' in log


def test_a_bad_batch_is_left_out(run_tool, config, tmp_path):
    """The run ends; other batches of before and after are trained on."""
    work = tmp_path / 'work'
    code, log = run_tool('train.py', config, '--work-dir', work,
                         '--non-finite', 'skip', '--cfg-options',
                         *fault(bad_batch_at=9))
    assert code == 0, log
    assert 'skipped: at iteration 9' in log
    last = torch.load(work / 'epoch_3.pth', weights_only=True)
    assert last['meta']['iter'] == 15
    assert all(value.isfinite().all() for value in last['state_dict'].values())
    steps = {
        int(state['step'])
        for state in last['optimizer']['state'].values()
    }
    assert steps == {14}


def test_spoiled_weights_are_not_saved(run_tool, config, tmp_path):
    """The loss of their iteration was finite."""
    work = tmp_path / 'work'
    code, log = run_tool('train.py', config, '--work-dir', work,
                         '--cfg-options', *fault(spoil_at=10))
    assert code == 1
    assert 'after iteration 10 1 weights are not finite' in log
    assert (work / 'epoch_1.pth').exists()
    assert not (work / 'epoch_2.pth').exists()


@pytest.fixture
def model_and_batch(config):
    cfg = Config.fromfile(config, import_custom_modules=False)
    from mmengine.registry import init_default_scope
    init_default_scope('mmpretrain')
    from mmpretrain.structures import DataSample
    batch = dict(
        inputs=[torch.randint(0, 255, (3, 16, 16)) for _ in range(2)],
        data_samples=[DataSample().set_gt_label(label) for label in (0, 2)])
    return MODELS.build(cfg.model), batch


def test_looking_changes_nothing(model_and_batch):
    model, batch = model_and_batch
    before = {name: value.clone()
              for name, value in model.state_dict().items()}  # yapf: disable
    state = random_state()
    assert find_cause(model.train(), batch, None) is None
    assert torch.equal(state['torch'], random_state()['torch'])
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(weight.grad is None for weight in model.parameters())


def test_the_innermost_module_is_named(model_and_batch):
    model, batch = model_and_batch
    layer = model.backbone.layers[0].ffn.layers[0][0]
    layer.register_forward_hook(lambda module, inputs, output: output / 0)
    assert find_cause(model, batch, None).startswith(
        'the output of backbone.layers.0.ffn.layers.0.0 (Linear)')


def test_a_gradient_is_named(model_and_batch):
    """The root of zero is finite, its slope is not."""
    model, batch = model_and_batch
    model.head.register_forward_pre_hook(
        lambda module, feats: ((feats[0][0] + (feats[0][0] * 0).sqrt(), ), ))
    cause = find_cause(model, batch, None)
    assert cause is not None and cause.startswith('the gradient of')


def test_spoiled_weights_are_named(model_and_batch):
    model, batch = model_and_batch
    model.head.layers.head.bias.data[0] = float('inf')
    assert find_cause(model, batch,
                      None).startswith('weights head.layers.head.bias before')


def test_replay_repeats_random_numbers(model_and_batch):
    """Dropout decides here whether something is not finite."""
    model, batch = model_and_batch
    model.head.register_forward_pre_hook(
        lambda module, feats: ((feats[0][0] / (torch.rand(1) > 0.5), ), ))
    causes = set()
    for _ in range(20):
        state = random_state()
        cause = find_cause(model.train(), batch, None)
        bundle = dict(
            state_dict=model.state_dict(), batch=batch, random_state=state)
        assert replay(model, bundle) == cause
        causes.add(cause)
        torch.rand(1)
    assert len(causes) == 2


def test_other_files_are_refused(config, tmp_path, capsys, monkeypatch):
    path = tmp_path / 'weights.pth'
    save_whole(dict(state_dict={}), str(path))
    monkeypatch.setattr('sys.argv', ['replay.py', str(config), str(path)])
    monkeypatch.setattr('sys.path', ['', *__import__('sys').path])
    with pytest.raises(SystemExit, match='was not written by --non-finite'):
        runpy.run_path(str(TOOLS / 'replay.py'), run_name='__main__')
