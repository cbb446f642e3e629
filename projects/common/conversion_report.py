"""What became of every name of a converted checkpoint."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from .checkpoint import Renamed

FATES = ('kept', 'renamed', 'reshaped', 'left out', 'made anew', 'missing')


@dataclass
class ConversionReport:
    """Old and new names, with what happened to each.

    Attributes:
        title: What was converted to what.
        fates: (fate, old name, new name), each name ``''`` where there is
            none. A fate is one of ``FATES``: made anew are tensors that
            follow from others; missing are those that the model of a config
            has and the checkpoint has not.
        others: Things of the file that are no tensors and were not taken.
    """
    title: str
    fates: list[tuple[str, str, str]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def names(self, fate: str) -> list[str]:
        """New names, else old ones, with this fate."""
        return [new or old for kind, old, new in self.fates if kind == fate]

    def summary(self) -> str:
        """Counts, in few lines."""
        counts = {fate: len(self.names(fate)) for fate in FATES}
        lines = [
            self.title,
            '  ' + ', '.join(f'{number} {fate}'
                             for fate, number in counts.items() if number)
        ]
        missing = self.names('missing')
        if missing:
            lines.append(f'  {len(missing)} tensors stay as initialised: ' +
                         ', '.join(missing[:4]) +
                         (', ...' if len(missing) > 4 else ''))
        if self.others:
            lines.append(f'  no tensors, not taken: {", ".join(self.others)}')
        return '\n'.join(lines)

    def __str__(self) -> str:
        width = max(map(len, FATES))
        return '\n'.join([
            self.summary(), *(f'{fate:<{width}}  ' +
                              ' -> '.join(name for name in (old, new) if name)
                              for fate, old, new in self.fates)
        ])


def trace(source: Mapping[str, Tensor], result: Mapping[str, Tensor],
          steps: Sequence[Renamed]) -> list[tuple[str, str, str]]:
    """Follow every name from one layout to another.

    Args:
        source: Tensors before.
        result: Tensors after.
        steps: What each step renamed, in order.

    Returns:
        Fates, as in :class:`ConversionReport`.
    """
    current: dict[str, str | None] = {name: name for name in source}
    for step in steps:
        renamed = dict(step)
        for name, now in current.items():
            if now is not None:
                current[name] = renamed.get(now, now)
    fates = []
    for name, now in current.items():
        if now is None or now not in result:
            fates.append(('left out', name, ''))
        elif result[now].shape != source[name].shape:
            fates.append(('reshaped', f'{name} {_shape(source[name])}',
                          f'{now} {_shape(result[now])}'))
        else:
            fates.append(('kept' if now == name else 'renamed', name, now))
    made = result.keys() - {now for now in current.values() if now}
    return [*fates, *(('made anew', '', name) for name in sorted(made))]


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape)).replace(' ', '')
