"""The momentum teacher of ExtreMA."""
import math

import torch
from mmengine.logging import MessageHub
from mmpretrain.models.utils import CosineEMA
from torch import nn


class MomentumTeacher(CosineEMA):
    """mmpretrain's ``CosineEMA`` that never waits for the device.

    teacher = m * teacher + (1 - m) * student, where 1 - m falls from
    ``momentum`` to zero on half a cosine over the training. Progress is the
    runner's iteration, so a resumed run continues the schedule and one that
    only loads weights starts it. Upstream reads a counter from the device
    for every parameter.

    Args:
        model: The student.
        momentum: Initial share of the student, 1 - m; 0.004 is m = 0.996.
    """

    def copy_student(self, model: nn.Module) -> None:
        """Make the teacher equal to ``model``: the start of training."""
        with torch.no_grad():
            for own, new in zip(self.module.parameters(), model.parameters()):
                own.copy_(new)

    def share(self) -> float:
        """Share 1 - m of the student in the current iteration.

        Raises:
            RuntimeError: If no runner tells the length of the training.
        """
        hub = MessageHub.get_current_instance()
        length = hub.get_info('max_iters')
        if length is None:
            raise RuntimeError('the momentum follows the progress of the '
                               'training: train with a runner')
        progress = hub.get_info('iter', 0) / length
        return self.momentum * (1 + math.cos(math.pi * progress)) / 2

    @torch.compiler.disable  # the runner's progress is no part of a graph
    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move towards ``model``, all parameters at once."""
        torch._foreach_lerp_(
            list(self.module.parameters()), list(model.parameters()),
            self.share())
        self.steps += 1
