"""Compare runs that should not differ."""
from pathlib import Path

import torch


def assert_same_run(one: Path, other: Path) -> None:
    """Two final checkpoints agree to the last bit, also in what they log."""
    first, second = (
        torch.load(path, weights_only=True) for path in (one, other))
    for part in ('state_dict', 'optimizer', 'param_schedulers',
                 'random_states', 'data', 'ema_state_dict'):
        assert_equal(first.get(part), second.get(part), part)
    for name in ('epoch', 'iter', 'seed'):
        assert first['meta'][name] == second['meta'][name]
    logs = [checkpoint['message_hub'] for checkpoint in (first, second)]
    best = [hub['runtime_info'].get('best_ckpt', '') for hub in logs]
    assert Path(best[0]).name == Path(best[1]).name
    scalars = [hub['log_scalars'] for hub in logs]
    assert scalars[0].keys() == scalars[1].keys()
    for name in scalars[0]:
        if 'time' not in name and 'memory' not in name:
            assert_equal(scalars[0][name], scalars[1][name], name)


def assert_equal(one, other, where: str) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_equal(one[key], other[key], f'{where}.{key}')
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for number, (item, item_2) in enumerate(zip(one, other)):
            assert_equal(item, item_2, f'{where}.{number}')
    else:
        assert one == other, where
