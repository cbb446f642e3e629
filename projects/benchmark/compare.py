"""Measure the steps of one or two variants in turn."""
from collections.abc import Sequence

from torch import nn

from . import profile
from .attention import AttentionStep
from .machine import describe, matmul_rate
from .report import Report, Result
from .steps import Inference, Step, TrainStep
from .timing import take_turns
from .variants import Setting, Variant, same_shapes

STEPS: dict[str, type[Step]] = {
    'train-step': TrainStep,
    'inference': Inference,
    'attention': AttentionStep
}


def measure_steps(mode: str,
                  variants: Sequence[Variant],
                  setting: Setting,
                  iters: int,
                  warmup: int,
                  picture: str | None = None) -> Report:
    """Time, memory and products of the steps of some variants.

    All variants live in this process, start from the same weights where
    shapes allow, see the same images and random numbers, and run in turn.

    Args:
        mode: A key of :data:`STEPS`.
        variants: What is compared.
        setting: Size, precision, device.
        iters: Number of timed steps of each.
        warmup: Steps before that.
        picture: Draw there where the time of the first one's steps goes.
    """
    steps: list[Step] = []
    weights: nn.Module | None = None
    for variant in variants:
        step = STEPS[mode](variant, setting, weights)
        weights = weights or step.model
        steps.append(step)
    looks = [_look(step, steps[0]) for step in steps]
    times = take_turns(steps, iters, warmup, setting.device)
    if picture is not None:
        profile.draw(profile.own_times(steps[0], setting.device), picture)
    results = [
        Result(
            step.variant.name,
            'images',
            step.batch,
            found,
            macs=step.macs(),
            held=held,
            peak=step.peak(),
            facts=facts)
        for step, found, (held, facts) in zip(steps, times, looks)
    ]
    size = 'x'.join(map(str, steps[0].shape))
    command = dict(
        mode=mode,
        config=variants[0].cfg.filename,
        part=setting.part,
        batch=steps[0].batch,
        size=size,
        precision='bfloat16' if setting.amp else 'float32',
        compile=setting.compile or None,
        iters=iters)
    return Report(command, describe(setting.device), results,
                  matmul_rate(setting.device, setting.dtype))


def _look(step: Step, first: Step) -> tuple[int | None, dict[str, object]]:
    """Before any update: the memory held for backward if there is any, and
    what shows that two variants compute the same."""
    held: int | None = None
    facts: dict[str, object] = {}
    if isinstance(step, AttentionStep):
        facts['calls'] = step.describe()
    if isinstance(step, TrainStep):
        held, output = step.held()
        if output.ndim == 0:
            facts['loss'] = output.item()
        else:
            facts['mean_square'] = output.double().square().mean().item()
    if step is not first:
        facts['same_weights'] = same_shapes(step.model, first.model)
    return held, facts
