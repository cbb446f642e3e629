"""Memory and time, on cases whose answer is known."""
import time
import weakref

import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.checkpoint import checkpoint

from projects.benchmark.machine import describe, matmul_rate
from projects.benchmark.memory import held_for_backward, peak_above_start
from projects.benchmark.profile import draw, own_times
from projects.benchmark.report import Report, Result
from projects.benchmark.timing import Spread, Times, paired_ratio, take_turns

CPU = torch.device('cpu')
MIB = 2**20


def test_held_counts_each_storage_once_and_no_parameters():
    layer = nn.Linear(64, 64)
    x = torch.randn(32, 64, requires_grad=True)

    def forward():
        y = x.exp()  # holds its output
        z = y.view(64, 32).sin()  # holds its input, the same storage
        return layer(z.view(32, 64))  # holds its input and the weight

    held, _ = held_for_backward(forward, layer.parameters())
    assert held == 2 * 32 * 64 * 4
    with_weight, _ = held_for_backward(forward, ())
    assert with_weight == held + 64 * 64 * 4


def test_held_sees_what_checkpoints_keep():
    layers = nn.Sequential(*[nn.Linear(64, 64) for _ in range(5)])
    x = torch.randn(32, 64, requires_grad=True)
    held, _ = held_for_backward(
        lambda: checkpoint(layers, x, use_reentrant=False),
        layers.parameters())
    assert held == 32 * 64 * 4


class Carry(torch.autograd.Function):
    """The identity, with an object in the graph."""

    @staticmethod
    def forward(ctx, x, carried):
        ctx.carried = carried
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def test_held_lets_go_of_the_graph():
    """A softmax saves its own output."""
    alive = []

    def forward():
        carried = {CPU}
        alive.append(weakref.ref(carried))
        return Carry.apply(x, carried).softmax(-1)

    x = torch.randn(8, 8, requires_grad=True)
    _, output = held_for_backward(forward, [x])
    assert alive[0]() is not None
    del output
    assert alive[0]() is None


def test_peak_is_that_of_the_step():
    before = torch.ones(512 * MIB // 4)  # a higher peak, before the step
    del before

    def step():
        block = torch.ones(64 * MIB // 4)
        del block

    peak = peak_above_start(step, CPU)
    if peak is None:
        pytest.skip('this system does not tell the peak')
    # no upper bound to the byte: other threads of the process allocate too
    assert 63 * MIB < peak < 128 * MIB


def test_steps_take_turns():
    log = []
    times = take_turns([lambda: log.append('a'), lambda: log.append('b')],
                       rounds=3,
                       warmup=2,
                       device=CPU)
    assert log == ['a', 'b'] * 5
    assert [len(found.wall) for found in times] == [3, 3]
    assert [len(found.cpu) for found in times] == [3, 3]


def test_wall_and_processor_time():
    times, = take_turns([lambda: time.sleep(0.05)], 2, 0, CPU)
    assert min(times.wall) >= 0.05 > max(times.cpu)


def test_spread_and_paired_ratio():
    assert Spread.of([3.]) == Spread(3., 3., 3.)
    assert Spread.of([1., 2., 3., 4., 5.]) == Spread(3., 2., 4.)
    # a disturbance of one round meets both
    ratio = paired_ratio([1., 10., 1.], [2., 20., 2.])
    assert ratio == Spread(2., 2., 2.)


def test_report_of_two_results():
    first = Result(
        'this',
        'images',
        8,
        Times([2., 2.], [1., 1.]),
        macs=4,
        held=100,
        peak=300,
        facts=dict(loss=1.5))
    second = Result('that', 'images', 8, Times([4., 8.], [3., 3.]), held=400)
    report = Report(
        dict(mode='train-step'),
        dict(cores=2), [first, second],
        matmul_rate=4.)
    assert first.rate == 4 and first.mac_rate == 2
    assert report.ratios() == dict(
        wall=dict(median=3., low=2.5, high=3.5),
        cpu=dict(median=3., low=3., high=3.),
        rate=3.,
        held=0.25)
    text = str(report)
    assert '50% of matrix products' in text
    assert '3.00 times as fast (2.50 to 3.50)' in text
    assert 'held for backward: 0.250 of it' in text
    assert report.as_dict()['results'][0]['loss'] == 1.5


def test_operations_by_their_own_time(tmp_path):
    a = torch.randn(256, 256)
    times = own_times(lambda: (a @ a @ a).sigmoid(), CPU)
    assert next(iter(times)) == 'aten::mm'
    assert list(times.values()) == sorted(times.values(), reverse=True)
    assert 0 < times['aten::sigmoid'] < times['aten::mm']
    draw({f'aten::op{n}': 1 / (n + 1) for n in range(20)}, tmp_path / 'a.png')
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.size == (800, 400)


def test_machine():
    facts = describe(CPU)
    assert facts['cores'] >= 1 and facts['torch'] == torch.__version__.split(
        '+')[0]
    assert {'mmcv', 'mmdetection', 'mmsegmentation'} <= facts.keys()
    assert matmul_rate(CPU, torch.float32) > 1e8
