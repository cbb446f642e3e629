"""The attention of a backbone alone: forward and backward of every block."""
from collections import Counter
from dataclasses import dataclass
from functools import partial

import torch
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor
from torch._subclasses import FakeTensorMode

from projects.common.attention import Attention
from projects.common.biased_attention import Bias
from projects.common.grid import Grid

from .memory import held_for_backward
from .steps import TrainStep


@dataclass(frozen=True)
class Call:
    """How a model calls one of its attention modules.

    Attributes:
        module: Name of the module in the backbone.
        shape: Of its input, (B, N, C).
        span: Grid of the tokens, if it is given.
        bias: Kind of relative positions shared with other blocks, if any,
            and the shapes of what they are made of.
    """
    module: str
    shape: tuple[int, ...]
    span: Grid
    bias: tuple[type[Bias], tuple[tuple[int, ...], ...]] | None

    def __str__(self) -> str:
        batch, length, _ = self.shape
        kind = '' if self.bias is None else f', {self.bias[0].__name__}'
        return f'{batch} of {length} tokens{kind}'


class AttentionStep(TrainStep):
    """All attention modules of a backbone, one after another.

    Each maps random tokens of the shape that it sees in the model and returns
    the gradients of a random cotangent; nothing else of the model runs.
    """

    def prepare(self) -> None:
        """See :class:`Step`."""
        self.calls = self._record()
        if not self.calls:
            raise ValueError('the backbone has no attention of ours '
                             '(projects/common/attention.py)')
        modules = dict(self.backbone.named_modules())
        generator = torch.Generator().manual_seed(0)

        def draw(shape: tuple[int, ...]) -> Tensor:
            x = torch.randn(shape, generator=generator)
            return x.to(self.setting.device).requires_grad_()

        self.runs = []
        for call in self.calls:
            bias = None
            if call.bias is not None:
                kind, shapes = call.bias
                bias = kind(*map(draw, shapes))
            run = partial(modules[call.module], draw(call.shape), call.span,
                          bias)
            self.runs.append((run, draw(call.shape).detach()))

    def _record(self) -> list[Call]:
        """The calls of a training step, seen on tensors without values."""
        calls: list[Call] = []

        def record(name: str,
                   qkv_BNC: Tensor,
                   span: Grid = (),
                   bias: Bias | None = None,
                   inside_BN: Tensor | None = None) -> Tensor:
            batch, length, width = qkv_BNC.shape
            shape = batch, length, width // 3
            shared = None
            if bias is not None:
                tensors = bias.tensors()
                shared = type(bias), tuple(tuple(x.shape) for x in tensors)
            calls.append(Call(name, shape, span, shared))
            return qkv_BNC.new_empty(shape)

        with DefaultScope.overwrite_default_scope(
                self.variant.cfg.get('default_scope')), FakeTensorMode():
            model = MODELS.build(self.variant.cfg.model).train()
            for name, module in model.backbone.named_modules():
                if isinstance(module, Attention):
                    setattr(module, 'mix', partial(record, name))
            images = torch.empty(self.batch, 3, *self.shape)
            if hasattr(model, 'reconstruct'):
                model.reconstruct(images)
            else:
                model.backbone(images)
        return calls

    def __call__(self) -> None:
        """See :class:`Step`."""
        for run, gradient in self.runs:
            with self.autocast():
                out = run()
            out.backward(gradient.to(out.dtype))
        self.model.zero_grad()

    def forward(self) -> tuple[Tensor, ...]:
        """Outputs of all modules."""
        with self.autocast():
            return tuple(run() for run, _ in self.runs)

    def held(self) -> tuple[int, Tensor]:
        """See :class:`TrainStep`; without the tokens that come in."""
        inputs = [run.args[0] for run, _ in self.runs]
        held, outputs = held_for_backward(self.forward,
                                          [*self.model.parameters(), *inputs])
        return held, outputs[-1].detach()

    def macs(self) -> int:
        """Products of projections and scores."""
        total = 0
        for call in self.calls:
            batch, length, channels = call.shape
            total += batch * length * channels * (4 * channels + 2 * length)
        return self.PASSES * total

    def describe(self) -> str:
        """The calls, equal ones counted."""
        counts = Counter(str(call) for call in self.calls)
        return '; '.join(f'{n} x {call}' for call, n in counts.items())
