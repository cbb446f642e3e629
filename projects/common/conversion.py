"""Conversion of whole checkpoint files, for any project's tables."""
import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from mmengine.runner import CheckpointLoader
from torch import Tensor

from projects.engine.checkpoint_io import UNFINISHED, commit_file

from .checkpoint import state_dict_of

# modules with RULES, recognise(state_dict) and convert(state_dict, ...)
CONVERTERS = {
    'convmae': 'projects.convmae.convert',
    'extrema': 'projects.extrema.convert',
    'mimdet': 'projects.mimdet.convert',
}


def converters() -> dict[str, ModuleType]:
    """The projects' conversion modules by project name."""
    return {
        name: importlib.import_module(module)
        for name, module in CONVERTERS.items()
    }


def find_kind(state_dict: Mapping[str, Tensor],
              kind: str | None) -> tuple[ModuleType, str]:
    """The converter of an official checkpoint and its kind.

    Args:
        state_dict: Tensors under their official names.
        kind: A kind that the user named; None recognises it.

    Raises:
        ValueError: If no converter knows the kind or the names.
    """
    modules = converters()
    if kind is not None:
        for module in modules.values():
            if kind in module.RULES:
                return module, kind
        kinds = [name for m in modules.values() for name in m.RULES]
        raise ValueError(f'kind is {kind!r}; choose from {kinds}')
    reasons = []
    for name, module in modules.items():
        try:
            return module, module.recognise(state_dict)
        except ValueError as error:
            reasons.append(f'{name}: {error}')
    raise ValueError('no converter knows this checkpoint. ' +
                     '; '.join(reasons))


def check_against_config(state_dict: Mapping[str, Tensor],
                         config: str) -> list[str]:
    """Compare converted tensors with the model of a config.

    Args:
        state_dict: Tensors under our names.
        config: Path of the config.

    Returns:
        Names outside the backbone that the checkpoint does not have: the
        released pretraining files have no decoder.

    Raises:
        ValueError: If a tensor has no place in the model, has another shape,
            or the backbone is not complete.
    """
    cfg = Config.fromfile(config)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    with torch.device('meta'), DefaultScope.overwrite_default_scope(
            cfg.get('default_scope')):
        own = MODELS.build(cfg.model).state_dict()
    unused = sorted(state_dict.keys() - own.keys())
    missing = sorted(own.keys() - state_dict.keys())
    wrong = [
        f'{name} {tuple(value.shape)} for {tuple(own[name].shape)}'
        for name, value in state_dict.items()
        if name in own and value.shape != own[name].shape
    ]
    for problem, names in (('no place in the model', unused), ('another shape',
                                                               wrong),
                           ('missing from the backbone', [
                               name for name in missing
                               if name.startswith('backbone.')
                           ])):
        if names:
            raise ValueError(
                f'the checkpoint does not fit {config}: {len(names)} tensors '
                f'are {problem}, such as {", ".join(names[:4])}')
    return missing


def save_atomically(checkpoint: dict, path: str) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        OSError: If the file cannot be written; nothing is left behind.
    """
    unfinished = Path(path + UNFINISHED)
    try:
        with open(unfinished, 'wb') as file:
            torch.save(checkpoint, file)
        commit_file(path)
    finally:
        unfinished.unlink(missing_ok=True)


def convert_file(source: str,
                 target: str,
                 kind: str | None = None,
                 to: str = 'ours',
                 config: str | None = None) -> str:
    """Convert a checkpoint file and say what became of it.

    Args:
        source: Path of the checkpoint.
        target: Path to write.
        kind: Kind of the official checkpoint; recognised when converting to
            our names, needed in the other direction.
        to: ``'ours'`` or ``'official'``.
        config: Config of the model that the converted file has to fit.

    Returns:
        A report.

    Raises:
        FileNotFoundError: If ``source`` does not exist.
        ValueError: If it is not of a known kind or does not fit ``config``.
    """
    checkpoint = CheckpointLoader.load_checkpoint(source, map_location='cpu')
    tensors = state_dict_of(checkpoint, source)
    backward = to == 'official'
    if backward and kind is None:
        raise ValueError('converting to the official layout needs --kind')
    module, kind = find_kind(tensors, kind)
    result = module.convert(tensors, kind, backward=backward)
    report = [f'{source}: {kind}, {len(tensors)} tensors',
              f'{target}: {to}, {len(result)} tensors']  # yapf: disable
    if config is not None:
        missing = check_against_config(tensors if backward else result, config)
        report.append(f'fits {config}' + (
            f'; {len(missing)} tensors stay as initialised: '
            f'{", ".join(missing[:4])}, ...' if missing else ', completely'))
    save_atomically(
        dict(model=result) if backward else dict(
            meta=dict(converted_from=os.path.basename(source), kind=kind),
            state_dict=result), target)
    return '\n'.join(report)
