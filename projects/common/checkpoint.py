"""Checkpoint verbs: load weights with a report, rename between layouts.

"Did my pretrained weights load?" is answered here, once, for ``init_cfg`` and
``load_from`` alike.
"""
import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from . import safe_load  # noqa: F401  (files are read without running code)

StateDict = dict[str, Tensor]


@dataclass
class LoadReport:
    """What became of each tensor of a checkpoint and of a model.

    Attributes:
        source: The checkpoint.
        loaded: Names taken as they were.
        resized: Names that were resampled to this model's size.
        new: The model's names that the checkpoint does not have.
        mismatched: Names of another shape, with both shapes; not loaded.
        unused: The checkpoint's names that the model does not have.
        coverage: Share of the values of ``part`` that were loaded, 0 to 1.
        part: What ``coverage`` speaks of, for example the backbone.
    """
    source: str
    loaded: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    coverage: float = 0.
    part: str = 'model'

    def __str__(self) -> str:
        lines = [
            f'weights from {self.source}: {self.coverage:.1%} of the '
            f'{self.part} loaded'
        ]
        for title, names in (('loaded', self.loaded), ('resized',
                                                       self.resized),
                             ('new (stay as initialised)', self.new),
                             ('other shape (skipped)',
                              self.mismatched), ('unused', self.unused)):
            if names:
                lines.append(f'  {title}: {len(names)}{_examples(names)}' if
                             title != 'loaded' else f'  {title}: {len(names)}')
        return '\n'.join(lines)


def _examples(names: Sequence[str], limit: int = 4) -> str:
    """' (a, b, ...)': the first names, summarised by their prefix."""
    shown = ', '.join(names[:limit])
    return f' ({shown}{", ..." if len(names) > limit else ""})'


def state_dict_of(checkpoint: Mapping, source: str) -> StateDict:
    """The tensors of a checkpoint, whatever container they are in.

    Args:
        checkpoint: A loaded file: ``state_dict`` (OpenMMLab), ``model`` (the
            official repositories), ``module``, or the tensors themselves.
        source: Its name, for messages.

    Raises:
        ValueError: If there are no tensors.
    """
    if isinstance(checkpoint, Mapping):
        for name in ('state_dict', 'model', 'module'):
            if isinstance(checkpoint.get(name), Mapping):
                checkpoint = checkpoint[name]
                break
        tensors = {
            re.sub(r'^module\.', '', key): value
            for key, value in checkpoint.items() if isinstance(value, Tensor)
        }
        if tensors:
            return tensors
    raise ValueError(
        f'{source} holds no weights: expected a dict of tensors, plain or '
        "under 'state_dict' or 'model'")


def _resampled_names(model: nn.Module) -> set[str]:
    """Full names that load hooks of ``model`` may resize."""
    return {
        f'{prefix}.{name}' if prefix else name
        for prefix, module in model.named_modules()
        for name in getattr(module, 'resampled_on_load', ())
    }


def _select(state_dict: StateDict, prefix: str | None, own: set[str],
            source: str) -> StateDict:
    """The tensors under ``prefix``, or all when they already fit."""
    prefix = prefix or ''
    inside = {
        key[len(prefix):]: value
        for key, value in state_dict.items() if key.startswith(prefix)
    }
    if inside:
        return inside
    if own & state_dict.keys():
        return state_dict
    raise ValueError(
        f'{source} has no weights under the prefix {prefix!r}; its names '
        f'start like{_examples(sorted(state_dict))}')


def load_weights(model: nn.Module,
                 filename: str,
                 prefix: str | None = None,
                 map_location: str | torch.device = 'cpu',
                 min_coverage: float = 0.9,
                 part: str | None = None) -> LoadReport:
    """Load a checkpoint's weights into ``model`` and say what happened.

    Args:
        model: Receives the weights.
        filename: Path or URL of the checkpoint.
        prefix: Load only the names below it, with it taken off; a file whose
            names already are the model's is accepted too.
        map_location: Where to read the tensors to.
        min_coverage: Refuse when less of ``part`` would be loaded.
        part: Sub-module that ``min_coverage`` speaks of; by default the
            backbone when there is one, else the whole model.

    Returns:
        The report, which is also logged.

    Raises:
        ValueError: If the file holds no weights, belongs to another
            architecture or method, or covers too little. The model is then
            unchanged.
    """
    checkpoint = CheckpointLoader.load_checkpoint(
        filename, map_location=map_location)
    state_dict = state_dict_of(checkpoint, filename)
    return load_state_dict(model, state_dict, filename, prefix, min_coverage,
                           part)


def load_state_dict(model: nn.Module,
                    state_dict: StateDict,
                    source: str,
                    prefix: str | None = None,
                    min_coverage: float = 0.9,
                    part: str | None = None) -> LoadReport:
    """As :func:`load_weights`, from tensors that were read already."""
    own = model.state_dict()
    state_dict = _select(state_dict, prefix, set(own), source)
    report = _compare(model, own, state_dict, source)
    if part is None:
        part = 'backbone' if hasattr(model, 'backbone') else ''
    _measure(report, own, part)
    _refuse(report, state_dict, min_coverage, part)
    good = {*report.loaded, *report.resized}
    model.load_state_dict({key: state_dict[key] for key in good}, strict=False)
    print_log(str(report), logger='current')
    return report


def _compare(model: nn.Module, own: StateDict, state_dict: StateDict,
             source: str) -> LoadReport:
    """Sort the names of both sides into a report."""
    report = LoadReport(source)
    resampled = _resampled_names(model)
    for name, value in state_dict.items():
        if name not in own:
            report.unused.append(name)
        elif value.shape == own[name].shape:
            report.loaded.append(name)
        elif (name in resampled and value.ndim == own[name].ndim
              and value.shape[-1] == own[name].shape[-1]):
            report.resized.append(name)
        else:
            report.mismatched.append(
                f'{name} {tuple(value.shape)} for {tuple(own[name].shape)}')
    report.new = [name for name in own if name not in state_dict]
    return report


def _measure(report: LoadReport, own: StateDict, part: str) -> None:
    """Fill in which share of ``part`` was loaded."""
    prefix = f'{part}.' if part else ''
    sizes = {
        name: value.numel()
        for name, value in own.items() if name.startswith(prefix)
    }
    good = {*report.loaded, *report.resized}
    report.part = part or 'model'
    report.coverage = sum(size for name, size in sizes.items()
                          if name in good) / max(sum(sizes.values()), 1)


def _refuse(report: LoadReport, state_dict: StateDict, min_coverage: float,
            part: str) -> None:
    """Raise when the checkpoint does not belong to the model."""
    prefix = f'{part}.' if part else ''
    wrong = [name for name in report.mismatched if name.startswith(prefix)]
    if wrong:
        raise ValueError(
            f'{report.source} is of another architecture: {len(wrong)} '
            f'tensors of the {report.part} have another shape'
            f'{_examples(wrong)}')
    if report.coverage < min_coverage:
        raise ValueError(
            f'{report}\nThis covers too little: at least {min_coverage:.0%} '
            f'is expected. Is it a checkpoint of this method? Its names start '
            f'like{_examples(sorted(state_dict))}. Official files are brought '
            'to our names by tools/convert_checkpoint.py; a lower '
            'min_coverage in init_cfg accepts less')


class PretrainedModule(BaseModule):
    """A module whose ``init_cfg`` of type Pretrained loads with a report.

    ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.',
    min_coverage=0.9)``; any other ``init_cfg`` works as in ``BaseModule``.
    """

    def init_weights(self) -> None:
        """Initialise from scratch, then load a checkpoint if one is given."""
        self._init_from_scratch()
        cfg = self.init_cfg
        if not (isinstance(cfg, dict) and cfg.get('type') == 'Pretrained'):
            super().init_weights()
            return
        load_weights(
            self,
            cfg['checkpoint'],
            prefix=cfg.get('prefix'),
            min_coverage=cfg.get('min_coverage', 0.9))
        self._is_init = True

    def _init_from_scratch(self) -> None:
        """Random initial values; PyTorch's unless overridden."""


@dataclass(frozen=True)
class Rename:
    """One row of a conversion table.

    Attributes:
        source: Name in the official layout; ``*`` stands for one component,
            ``**`` for the rest.
        target: Our name, with the same stars in the same order.
        forward: Change of the tensor from the official layout to ours.
        backward: Its inverse.
    """
    source: str
    target: str
    forward: Callable[[Tensor], Tensor] = lambda tensor: tensor
    backward: Callable[[Tensor], Tensor] = lambda tensor: tensor


def transformer_rules(source: str,
                      target: str,
                      fc1: str = 'fc1',
                      fc2: str = 'fc2') -> list[Rename]:
    """Rows of a stack of transformer blocks, named as in timm.

    Args:
        source: Official name of the stack.
        target: Our name of it.
        fc1: Our name of an MLP's first layer.
        fc2: Of its second layer.
    """
    return [
        Rename(f'{source}.*.norm1.*', f'{target}.*.ln1.*'),
        Rename(f'{source}.*.attn.**', f'{target}.*.attn.**'),
        Rename(f'{source}.*.norm2.*', f'{target}.*.ln2.*'),
        Rename(f'{source}.*.mlp.fc1.*', f'{target}.*.ffn.{fc1}.*'),
        Rename(f'{source}.*.mlp.fc2.*', f'{target}.*.ffn.{fc2}.*'),
    ]


def match_pattern(pattern: str, name: str) -> tuple[str, ...] | None:
    """What a row's stars stand for in a name; None if it does not match."""
    regex = re.escape(pattern).replace(r'\*\*',
                                       '(.+)').replace(r'\*', r'([^.]+)')
    found = re.fullmatch(regex, name)
    return found.groups() if found else None


def _fill(pattern: str, parts: tuple[str, ...]) -> str:
    remaining = iter(parts)
    return re.sub(r'\*\*|\*', lambda _: next(remaining), pattern)


# old and new names while someone follows; None stands for left out
Renamed = list[tuple[str, str | None]]
_FOLLOWED: ContextVar[Renamed | None] = ContextVar('followed', default=None)


@contextmanager
def follow_renames() -> Iterator[Renamed]:
    """Collect what :func:`rename` does while the context lasts."""
    renamed: Renamed = []
    token = _FOLLOWED.set(renamed)
    try:
        yield renamed
    finally:
        _FOLLOWED.reset(token)


def rename(state_dict: StateDict,
           rules: Sequence[Rename],
           backward: bool = False,
           ignore: Sequence[str] = ()) -> StateDict:
    """Bring every tensor to the other layout.

    Args:
        state_dict: Tensors of one layout.
        rules: The conversion table; the first matching row applies.
        backward: From our layout to the official one.
        ignore: Glob patterns of names to leave out, for what is rebuilt or
            unused on the other side.

    Raises:
        ValueError: If a name matches no row, or two become one.
    """
    result: StateDict = {}
    unknown = []
    followed = _FOLLOWED.get()
    if followed is None:
        followed = []
    for name, tensor in state_dict.items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in ignore):
            followed.append((name, None))
            continue
        for rule in rules:
            ends = (rule.source, rule.target)
            start, end = reversed(ends) if backward else ends
            parts = match_pattern(start, name)
            if parts is not None:
                new = _fill(end, parts)
                if new in result:
                    raise ValueError(f'two tensors would be named {new!r}')
                change = rule.backward if backward else rule.forward
                result[new] = change(tensor)
                followed.append((name, new))
                break
        else:
            unknown.append(name)
    if unknown:
        raise ValueError(
            f'{len(unknown)} names are not in the conversion table'
            f'{_examples(unknown)}')
    return result
