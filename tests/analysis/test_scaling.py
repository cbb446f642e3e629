"""Counts behind docs/scaling.md, against real tensors.

tests/tools/test_benchmark.py compares them with what two processes reduce.
"""
import pytest
import torch
from mmengine.config import Config
from tooling import ROOT, run_tool

from projects.analysis.scaling import (STRATEGIES, Footprint, Machine,
                                       Strategy, memory_table)
from projects.benchmark.memory import held_for_backward
from projects.zoo.models import build_model

TINY = 'configs/convmae/demo/convmae_tiny_1xb32-coslr-6k_shapes.py'


@pytest.fixture(scope='module')
def tiny():
    return Footprint(Config.fromfile(ROOT / TINY))


def test_tables_are_those_of_the_page():
    done = run_tool('analysis/scaling.py')
    assert done.returncode == 0, done.stderr
    tables = [text for text in done.stdout.split('\n\n') if '|' in text]
    assert len(tables) == 4
    page = (ROOT / 'docs/scaling.md').read_text()
    for table in tables:
        table = table[table.index('|'):].strip()
        assert table in page, f'docs/scaling.md lacks this table:\n{table}'


@pytest.mark.parametrize('amp', [False, True])
@pytest.mark.parametrize('with_cp', [False, True])
def test_held_bytes_are_those_of_real_tensors(tiny, amp, with_cp):
    cfg = Config.fromfile(ROOT / TINY)
    cfg.model.backbone.with_cp = with_cp
    model = build_model(cfg, None).train()
    state = [*model.parameters(), *model.buffers()]
    images = torch.randn(5, 3, 64, 64)
    with torch.autocast('cpu', torch.bfloat16, amp):
        held, _ = held_for_backward(lambda: model.loss(images, []), state)
    strategy = Strategy('this', amp=amp, with_cp=with_cp)
    assert tiny.activation_bytes(strategy, 5) == pytest.approx(held, rel=.02)


def test_optimizer_state_is_counted(tiny):
    """AdamW's moments and the gradients, after a real step."""
    model = build_model(Config.fromfile(ROOT / TINY), None).train()
    optimizer = torch.optim.AdamW(model.parameters())
    model.loss(torch.randn(2, 3, 64, 64), [])['loss'].backward()
    optimizer.step()
    tensors = [*model.parameters()]
    tensors += [p.grad for p in model.parameters() if p.grad is not None]
    tensors += [
        value for state in optimizer.state.values()
        for value in state.values() if value.ndim
    ]
    assert tiny.state_bytes(STRATEGIES[0]) == sum(x.nbytes for x in tensors)


def test_what_saves_memory(tiny):
    cost = {
        strategy.name:
        (tiny.state_bytes(strategy), tiny.activation_bytes(strategy, 256))
        for strategy in STRATEGIES
    }
    plain, half, spread, again, *_ = cost.values()
    assert half[1] < plain[1] and spread[1] < half[1] and again[1] < half[1]
    assert plain[0] == half[0] == spread[0] == again[0]
    assert cost['FSDP over 8, bf16, with_cp'][0] < plain[0] / 2
    assert memory_table(dict(tiny=tiny), 8).count('\n') == 1 + len(STRATEGIES)


def test_traffic(tiny):
    """A ring sends all but its own share, twice."""
    total, trained, _ = tiny.sizes
    assert tiny.traffic(2) == 4 * trained
    assert tiny.traffic(1024) == pytest.approx(8 * trained, rel=1e-3)
    assert tiny.traffic(8, 8) == pytest.approx(
        7 / 8 * 2 * (2 * total + trained), abs=1)


def test_step_times(tiny):
    machine = Machine()
    one = tiny.step_seconds(1, 64, machine)
    assert one == pytest.approx((6 * 64 * tiny.macs / (.3 * 312e12)) +
                                28 * tiny.sizes[1] / 2e12)
    times = [tiny.step_seconds(n, 64, machine) for n in (1, 8, 64, 1024)]
    assert times == sorted(times)
    slow = Machine(between=1e9)
    assert tiny.step_seconds(16, 1, slow) > tiny.step_seconds(16, 1, machine)
    # what cannot hide behind a short backward pass is waited for
    assert (tiny.step_seconds(16, 1, slow) - tiny.step_seconds(8, 1, slow)
            > 1.9 * .5 * 4 * tiny.sizes[1] / 8 / .75e9)
