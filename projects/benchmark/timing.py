"""Times of steps that take turns, and their ratios."""
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .machine import synchronise


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of some values."""
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> 'Spread':
        """Of at least one value."""
        if len(values) == 1:
            return cls(*[values[0]] * 3)
        low, median, high = statistics.quantiles(
            values, n=4, method='inclusive')
        return cls(median, low, high)


@dataclass(frozen=True)
class Times:
    """Times of the steps of one variant, in seconds.

    Attributes:
        wall: As a clock shows it, the device waited for.
        cpu: Of the processor, all threads together: other programs on the
            machine disturb it less.
    """
    wall: list[float]
    cpu: list[float]


def take_turns(steps: Sequence[Callable[[], object]], rounds: int, warmup: int,
               device: torch.device) -> list[Times]:
    """Run each step once a round, so that disturbances meet all of them.

    Args:
        steps: What is compared.
        rounds: How often each is timed.
        warmup: How often each is run before that.
        device: Waited for before and after every step.
    """
    times = [Times([], []) for _ in steps]
    for number in range(-warmup, rounds):
        for step, found in zip(steps, times):
            synchronise(device)
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            synchronise(device)
            if number >= 0:
                found.wall.append(time.perf_counter() - wall)
                found.cpu.append(time.process_time() - cpu)
    return times


def paired_ratio(ours: Sequence[float], others: Sequence[float]) -> Spread:
    """Times of the others over ours, round by round: above 1 we are faster.
    """
    return Spread.of([other / own for own, other in zip(ours, others)])
