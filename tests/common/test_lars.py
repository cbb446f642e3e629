"""ReferenceLARS against its formula, step by step in NumPy."""
import numpy as np
import pytest
import torch
from mmengine.registry import OPTIMIZERS
from torch import nn

from projects.common.lars import ReferenceLARS


def numpy_step(w, g, m, lr, momentum=.9, decay=0., trust=.001):
    """One update; returns the new weight and momentum buffer."""
    if w.ndim > 1:
        g = g + decay * w
        norms = np.linalg.norm(w), np.linalg.norm(g)
        if norms[0] > 0 and norms[1] > 0:
            g = g * trust * norms[0] / norms[1]
    m = momentum * m + g
    return w - lr * m, m


@pytest.mark.parametrize('decay', [0., 1e-2])
def test_steps_follow_the_formula(decay: float) -> None:
    """With a learning rate that changes, which mmpretrain's LARS bends."""
    random = np.random.default_rng(0)
    weights = [random.normal(size=shape) for shape in ((4, 3), (3, ), (2, 2))]
    weights[2][:] = 0  # a zero norm
    params = [nn.Parameter(torch.tensor(w)) for w in weights]
    optimizer = ReferenceLARS(params, lr=1., weight_decay=decay)
    buffers = [np.zeros_like(w) for w in weights]
    for step, lr in enumerate((1.6, 1.6, .4, 0., 2.)):
        optimizer.param_groups[0]['lr'] = lr
        for i, param in enumerate(params):
            grad = random.normal(size=param.shape)
            if step == 1:
                grad[:] = 0  # the other zero norm
            param.grad = torch.tensor(grad)
            weights[i], buffers[i] = numpy_step(
                weights[i], grad, buffers[i], lr, decay=decay)
        optimizer.step()
        for param, weight in zip(params, weights):
            np.testing.assert_allclose(
                param.detach().numpy(), weight, rtol=1e-12, atol=1e-15)


def test_zero_weights_leave_zero() -> None:
    """A head that starts at zero must be able to learn."""
    param = nn.Parameter(torch.zeros(2, 2))
    optimizer = ReferenceLARS([param], lr=.5, momentum=0.)
    param.grad = torch.ones(2, 2)
    optimizer.step()
    assert torch.equal(param.detach(), torch.full((2, 2), -.5))


def test_parameters_without_gradient_stay() -> None:
    param = nn.Parameter(torch.ones(2, 2))
    optimizer = ReferenceLARS([param], lr=.5)
    optimizer.step()
    assert torch.equal(param.detach(), torch.ones(2, 2))
    assert not optimizer.state


def test_continues_from_its_state() -> None:

    def run(steps: int,
            optimizer: ReferenceLARS,
            param: nn.Parameter,
            start: int = 0) -> None:
        for step in range(start, start + steps):
            param.grad = torch.full((3, 3), step + 1.)
            optimizer.step()

    whole = nn.Parameter(torch.eye(3))
    run(4, ReferenceLARS([whole], lr=.1), whole)
    first = nn.Parameter(torch.eye(3))
    optimizer = ReferenceLARS([first], lr=.1)
    run(2, optimizer, first)
    second = nn.Parameter(first.detach().clone())
    resumed = ReferenceLARS([second], lr=.7)
    resumed.load_state_dict(optimizer.state_dict())
    run(2, resumed, second, start=2)
    assert torch.equal(whole, second)


def test_is_built_from_a_config() -> None:
    param = nn.Parameter(torch.ones(1))
    optimizer = OPTIMIZERS.build(
        dict(type='ReferenceLARS', params=[param], lr=.1))
    assert isinstance(optimizer, ReferenceLARS)


@pytest.mark.parametrize('option, message', [
    (dict(lr=-1.), 'optimizer.lr is -1.0'),
    (dict(lr=1., momentum=1.), 'optimizer.momentum is 1.0'),
    (dict(lr=1., weight_decay=-.1), 'optimizer.weight_decay is -0.1'),
])
def test_bad_values_are_named(option: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReferenceLARS([nn.Parameter(torch.ones(1))], **option)
