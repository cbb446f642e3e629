"""What training costs by size and strategy: memory, communication, time.

Nothing here is measured on a GPU. Parameters and multiply-accumulates are
counted on the model; what is held for the backward pass is counted too, on
fake tensors with the kernels of the CPU. Times follow from these numbers and
from the assumptions of :class:`Machine`. docs/scaling.md explains all of it.
"""
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from projects.benchmark.memory import held_for_backward

from .complexity import SharedFakeTensorMode, default_shape, measure

WEIGHT = GRADIENT = 4  # bytes a parameter, float32 also under autocast
ADAMW = 8  # bytes a parameter: two moments
HALF = 2  # bytes of a bfloat16 number
PASSES = 3  # products for the output, its input's and weight's gradient
UPDATE = 28  # bytes a parameter that AdamW reads and writes
BUCKET = 25 * 2**20  # bytes that DDP reduces at once


@dataclass(frozen=True)
class Strategy:
    """A way of training.

    Attributes:
        name: As tables call it.
        amp: Activations in bfloat16.
        with_cp: The backbone computes cheap parts again.
        accumulate: Passes over which a process spreads its batch.
        shards: Processes that share weights, gradients and moments.
    """
    name: str
    amp: bool = True
    with_cp: bool = False
    accumulate: int = 1
    shards: int = 1


STRATEGIES = (
    Strategy('DDP, float32', amp=False),
    Strategy('DDP, bf16'),
    Strategy('DDP, bf16, accumulation 4', accumulate=4),
    Strategy('DDP, bf16, with_cp', with_cp=True),
    Strategy('DDP, bf16, with_cp, accumulation 4', with_cp=True, accumulate=4),
    Strategy('FSDP over 8, bf16, with_cp', with_cp=True, shards=8),
)


@dataclass(frozen=True)
class Machine:
    """What step times assume.

    Attributes:
        flops: Dense bf16 peak of a GPU, multiplications and additions.
        utilisation: Share of it that a step reaches.
        hbm: Bytes a second of GPU memory.
        inside: Bytes a second that a GPU sends to others of its node.
        between: Bytes a second that a GPU sends to other nodes.
        efficiency: Share of both that an all-reduce reaches.
        latency: Seconds for a message, inside and between nodes.
        node: GPUs of a node.
    """
    flops: float = 312e12
    utilisation: float = 0.3
    hbm: float = 2.0e12
    inside: float = 300e9
    between: float = 25e9
    efficiency: float = 0.75
    latency: tuple[float, float] = (5e-6, 15e-6)
    node: int = 8


class Footprint:
    """Counts of a config's model.

    Args:
        cfg: Config of a pretraining.
    """

    def __init__(self, cfg: Config) -> None:
        self.cfg = cfg
        self._held: dict[tuple[bool, bool], tuple[int, int]] = {}

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of a forward pass for one image."""
        return measure(self.cfg).total.macs

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        """Parameters, those that are trained, and those of the largest block.
        """
        model = self._build(False)
        parameters = list(model.parameters())
        blocks = [
            block for group in model.modules()
            if isinstance(group, nn.ModuleList) for block in group
        ]
        return (sum(p.numel() for p in parameters),
                sum(p.numel() for p in parameters if p.requires_grad),
                max(sum(p.numel() for p in b.parameters()) for b in blocks))

    def _build(self, with_cp: bool) -> nn.Module:
        model = self.cfg.model.to_dict()
        model['backbone']['with_cp'] = with_cp
        with DefaultScope.overwrite_default_scope(
                self.cfg.get('default_scope')), SharedFakeTensorMode(
                    allow_non_fake_inputs=True):
            return MODELS.build(model).train()

    def held(self, amp: bool, with_cp: bool) -> tuple[int, int]:
        """Bytes held for the backward pass: for any batch, and an image."""
        if (amp, with_cp) not in self._held:
            model = self._build(with_cp)
            state = [*model.parameters(), *model.buffers()]
            fake = state[0].fake_mode  # type: ignore[attr-defined]
            found = []
            for batch in (1, 3):
                with fake, torch.autocast('cpu', torch.bfloat16, amp):
                    images = torch.empty(batch, 3, *default_shape(self.cfg))
                    found.append(
                        held_for_backward(lambda: model.loss(images, []),
                                          state)[0])
            image = (found[1] - found[0]) // 2
            self._held[amp, with_cp] = found[0] - image, image
        return self._held[amp, with_cp]

    def state_bytes(self, strategy: Strategy) -> int:
        """Weights, gradients and moments of a process."""
        total, trained, block = self.sizes
        size = WEIGHT * total + (GRADIENT + ADAMW) * trained
        if strategy.shards == 1:
            return size
        # while a block computes, the next one is gathered
        return size // strategy.shards + 2 * HALF * block

    def activation_bytes(self, strategy: Strategy, images: int) -> int:
        """What a process holds between the two passes over its images.

        Args:
            strategy: How it trains.
            images: Of the process, in all passes of an update.
        """
        fixed, image = self.held(strategy.amp, strategy.with_cp)
        return fixed + image * -(-images // strategy.accumulate)

    def traffic(self, processes: int, shards: int = 1) -> int:
        """Bytes that each process sends in a step (a ring).

        DDP reduces float32 gradients: every process sends its share twice.
        FSDP gathers bf16 weights for each of the two passes and scatters
        reduced bf16 gradients.
        """
        share = (processes - 1) / processes
        total, trained, _ = self.sizes
        if shards == 1:
            return int(2 * share * GRADIENT * trained)
        return int(share * HALF * (2 * total + trained))

    def step_seconds(self, processes: int, images: int,
                     machine: Machine) -> float:
        """Modelled time of a DDP step.

        Args:
            processes: Number of GPUs, whole nodes.
            images: Of each.
            machine: Assumptions.
        """
        total, trained, _ = self.sizes
        rate = machine.flops * machine.utilisation
        forward = 2 * self.macs * images / rate
        backward = (PASSES - 1) * forward
        reduce = _reduce_seconds(GRADIENT * trained, processes, machine)
        # all buckets but the last are reduced during the backward pass
        buckets = math.ceil(GRADIENT * trained / BUCKET)
        waiting = max(reduce / buckets,
                      reduce - backward * (buckets - 1) / buckets)
        return forward + backward + waiting + UPDATE * trained / machine.hbm


def _reduce_seconds(size: int, processes: int, machine: Machine) -> float:
    """All-reduce: a ring inside each node, trees between the nodes."""
    node = min(processes, machine.node)
    nodes = -(-processes // machine.node)
    inside = 2 * (node - 1) / node * size / machine.inside
    between = 2 * (nodes - 1) / nodes * (size / node) / machine.between
    messages = math.ceil(size / BUCKET)
    waits = (2 * (node - 1) * machine.latency[0] +
             2 * math.ceil(math.log2(nodes)) * machine.latency[1])
    return (inside + between) / machine.efficiency + messages * waits


def memory_table(sizes: dict[str, Footprint], images: int) -> str:
    """GiB of a process by size and strategy, as Markdown."""
    rows = []
    for strategy in STRATEGIES:
        cells = []
        for size in sizes.values():
            state = size.state_bytes(strategy) / 2**30
            held = size.activation_bytes(strategy, images) / 2**30
            cells.append(f'{state + held:.1f} ({state:.1f} + {held:.1f})')
        rows.append([strategy.name, *cells])
    return _markdown(['Strategy', *sizes], rows)


def count_table(sizes: dict[str, Footprint], processes: int) -> str:
    """Parameters, multiply-accumulates and traffic by size, as Markdown."""
    rows = []
    for name, size in sizes.items():
        total, trained, _ = size.sizes
        rows.append([
            name, f'{total / 1e6:.1f}', f'{trained / 1e6:.1f}',
            f'{size.macs / 1e9:.1f}', f'{GRADIENT * trained / 1e6:.1f}',
            f'{size.traffic(processes) / 1e6:.0f}',
            f'{size.traffic(processes, processes) / 1e6:.0f}'
        ])  # yapf: disable
    return _markdown([
        'Size', 'Params (M)', 'Trained (M)', 'MACs (G)', 'Gradients (MB)',
        f'DDP over {processes} (MB)', f'FSDP over {processes} (MB)'
    ], rows)


def time_table(sizes: dict[str, Footprint], processes: Sequence[int],
               batch: int, grows: bool, machine: Machine) -> str:
    """Modelled milliseconds and efficiencies of a step, as Markdown.

    Args:
        sizes: Counts by name.
        processes: Numbers of GPUs; efficiencies compare with the first.
        batch: Images of all processes, for the first number.
        grows: The batch grows with the number; otherwise it is divided.
        machine: Assumptions.
    """
    rows = []
    for number in processes:
        images = batch // (processes[0] if grows else number)
        cells = []
        for size in sizes.values():
            seconds = size.step_seconds(number, images, machine)
            first = size.step_seconds(processes[0], batch // processes[0],
                                      machine)
            gain = first / seconds * (1 if grows else processes[0] / number)
            cells.append(f'{1e3 * seconds:.0f} ({gain:.2f})')
        rows.append([str(number), str(images), *cells])
    return _markdown(['GPUs', 'Images each', *sizes], rows)


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table whose columns but the first are aligned to the right."""
    lines = [head, [':--'] + ['--:'] * (len(head) - 1), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)
