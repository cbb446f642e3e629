"""Watching for collapse: all images mapped to one point.

Shapes: V masks, N images, C channels.
"""
from typing import Any

import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor


def spread(x_VNC: Tensor) -> Tensor:
    """How far the outputs of different images lie apart.

    The standard deviation over images of outputs of unit length, mean of all
    channels, times sqrt(C): 1 when their directions are spread evenly, 0 when
    they are all the same (the measure of SimSiam, arXiv:2011.10566, section
    4.1).

    Args:
        x_VNC: Outputs, (N, C) or (V, N, C).

    Returns:
        A number on the device of ``x_VNC``, without gradient.
    """
    unit_VNC = F.normalize(x_VNC.detach().float(), dim=-1)
    return unit_VNC.std(dim=-2).mean() * unit_VNC.shape[-1]**0.5


@HOOKS.register_module()
class CollapseHook(Hook):
    """Warn when the outputs of a siamese model become the same for all images.

    It reads the logged ``*_std`` values, see :func:`spread`, which have left
    the device already; so it waits for nothing, and is late by a logging
    interval at most. It warns when a value falls below the threshold, and
    again only after a recovery.

    Args:
        threshold: Smallest healthy value, of 1 for evenly spread outputs.
        begin: First iteration that is judged; untrained outputs are alike.
        interval: Iterations between two checks, over whose values the mean
            is taken.

    Raises:
        ValueError: If ``threshold`` or ``interval`` is not positive.
    """

    def __init__(self,
                 threshold: float = 0.05,
                 begin: int = 1000,
                 interval: int = 100) -> None:
        if threshold <= 0 or interval < 1:
            raise ValueError(
                f'CollapseHook has threshold {threshold} and interval '
                f'{interval}; both must be positive')
        self.threshold = threshold
        self.begin = begin
        self.interval = interval
        self._fallen: set[str] = set()

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        """Compare the last logged values with the threshold."""
        if (runner.iter + 1 < self.begin
                or not self.every_n_train_iters(runner, self.interval)):
            return
        for name, history in runner.message_hub.log_scalars.items():
            if not (name.startswith('train/') and name.endswith('_std')):
                continue
            value = history.mean(self.interval)
            if value >= self.threshold:
                self._fallen.discard(name)
            elif name not in self._fallen:
                self._fallen.add(name)
                runner.logger.warning(
                    f'the representation has collapsed: {name} is '
                    f'{value:.2g} at iteration {runner.iter + 1}, below '
                    f'{self.threshold} (1 is evenly spread, 0 the same '
                    'output for all images). Its features will be of no use: '
                    'go back to an earlier checkpoint with a lower learning '
                    'rate or a longer warm-up')
