"""Results as text and as JSON."""
from dataclasses import asdict, dataclass, field
from typing import Any

from .timing import Spread, Times, paired_ratio

MIB = 2**20


@dataclass(frozen=True)
class Result:
    """What was measured of one variant.

    Attributes:
        name: The variant.
        unit: What is counted: images, tokens, batches.
        items: Number of them in a step.
        times: Of every timed step.
        macs: Multiply-accumulates of a step, if they are counted.
        held: Bytes held for backward, if there is one.
        peak: Bytes by which memory grows in a step, where known.
        facts: What else there is to say.
    """
    name: str
    unit: str
    items: int
    times: Times
    macs: int | None = None
    held: int | None = None
    peak: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def wall(self) -> Spread:
        """Seconds of a step."""
        return Spread.of(self.times.wall)

    @property
    def cpu(self) -> Spread:
        """Processor seconds of a step."""
        return Spread.of(self.times.cpu)

    @property
    def rate(self) -> float:
        """Items a second, at the median time."""
        return self.items / self.wall.median

    @property
    def mac_rate(self) -> float | None:
        """Multiply-accumulates a second."""
        return None if self.macs is None else self.macs / self.wall.median

    def as_dict(self) -> dict[str, Any]:
        """For JSON; seconds, bytes, items and products a second."""
        return dict(
            name=self.name,
            unit=self.unit,
            items=self.items,
            wall_s=asdict(self.wall),
            cpu_s=asdict(self.cpu),
            steps=asdict(self.times),
            rate=self.rate,
            macs=self.macs,
            macs_per_s=self.mac_rate,
            held_bytes=self.held,
            peak_bytes=self.peak,
            **self.facts)


@dataclass(frozen=True)
class Report:
    """Results of one measurement.

    Attributes:
        command: What was measured: mode, config and so on.
        machine: See :func:`machine.describe`.
        results: The config first, then what it is compared with.
        matmul_rate: Multiply-accumulates a second of matrix products on this
            device in this precision.
    """
    command: dict[str, Any]
    machine: dict[str, Any]
    results: list[Result]
    matmul_rate: float | None = None

    def ratios(self) -> dict[str, Any]:
        """The second variant over the first: time by rounds, and memory."""
        first, second = self.results
        found: dict[str, Any] = dict(
            wall=asdict(paired_ratio(first.times.wall, second.times.wall)),
            cpu=asdict(paired_ratio(first.times.cpu, second.times.cpu)),
            rate=first.rate / second.rate)
        for name in ('held', 'peak'):
            own, other = getattr(first, name), getattr(second, name)
            if own is not None and other:
                found[name] = own / other
        return found

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        numbers: dict[str, Any] = dict(
            **self.command,
            machine=self.machine,
            matmul_macs_per_s=self.matmul_rate,
            results=[result.as_dict() for result in self.results])
        if len(self.results) == 2:
            numbers['ratios'] = self.ratios()
        return numbers

    def __str__(self) -> str:
        machine = ', '.join(f'{key} {value}'
                            for key, value in self.machine.items())
        command = ', '.join(f'{key} {value}'
                            for key, value in self.command.items()
                            if value is not None)
        lines = [command, machine]
        if self.matmul_rate:
            lines.append(f'matrix products: {self.matmul_rate / 1e9:.1f} '
                         'G multiply-accumulates a second')
        for result in self.results:
            lines += ['', *self._lines(result)]
        if len(self.results) == 2:
            lines += ['', *self._ratio_lines()]
        return '\n'.join(lines)

    def _lines(self, result: Result) -> list[str]:
        wall, cpu = result.wall, result.cpu
        lines = [
            result.name, f'  step       {_seconds(wall)}',
            f'  processor  {_seconds(cpu)}',
            f'  rate       {result.rate:.4g} {result.unit} a second'
        ]
        if result.held is not None:
            lines.append(f'  held       {result.held / MIB:.1f} MiB for '
                         'backward')
        if result.peak is not None:
            lines.append(f'  peak       {result.peak / MIB:.1f} MiB above '
                         'the start of a step')
        if result.mac_rate is not None:
            share = (f', {result.mac_rate / self.matmul_rate:.0%} of matrix '
                     'products' if self.matmul_rate else '')
            lines.append(f'  achieved   {result.mac_rate / 1e9:.1f} G '
                         f'multiply-accumulates a second{share}')
        lines += [f'  {key:<10} {value}' for key, value in
                  result.facts.items()]  # yapf: disable
        return lines

    def _ratio_lines(self) -> list[str]:
        found, other = self.ratios(), self.results[1].name
        lines = [
            f'against {other}',
            f'  {found["wall"]["median"]:.2f} times as fast '
            f'({found["wall"]["low"]:.2f} to {found["wall"]["high"]:.2f}); '
            f'by processor time {found["cpu"]["median"]:.2f} '
            f'({found["cpu"]["low"]:.2f} to {found["cpu"]["high"]:.2f})'
        ]
        for name, words in (('held', 'held for backward'), ('peak',
                                                            'peak memory')):
            if name in found:
                lines.append(f'  {words}: {found[name]:.3f} of it')
        return lines


def _seconds(spread: Spread) -> str:
    return (f'{spread.median:.4g} s (quartiles {spread.low:.4g} to '
            f'{spread.high:.4g})')
