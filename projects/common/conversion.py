"""Conversion of whole checkpoint files, for any project's tables."""
import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import (DATASETS, MODELS, DefaultScope,
                               init_default_scope)
from safetensors.torch import save_file
from torch import Tensor

from projects.engine.checkpoint_io import (UNFINISHED, commit_file, save_whole,
                                           write_text)

from .checkpoint import (Renamed, StateDict, follow_renames, match_pattern,
                         rename, state_dict_of)
from .conversion_report import ConversionReport, trace
from .plain_vit import TIMM_TO_MMPRETRAIN
from .safe_load import UnsafeCheckpointError, load_file

LAYOUTS = ('ours', 'official', 'timm', 'mmpretrain')
SUFFIXES = ('.pth', '.pt', '.safetensors')

# Modules with RULES, recognise(state_dict) and convert(state_dict, ...); they
# may have CONTAINERS, the keys of the tensors in official files, and
# plain_vit(official, kind), a backbone under timm's names.
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


def tensors_of_config(config: str) -> dict[str, Tensor]:
    """Tensors of a config's model, with shapes and without values."""
    cfg = Config.fromfile(config)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    with torch.device('meta'), DefaultScope.overwrite_default_scope(
            cfg.get('default_scope')):
        return MODELS.build(cfg.model).state_dict()


def find_own_kind(state_dict: Mapping[str, Tensor],
                  kind: str | None) -> tuple[ModuleType, str]:
    """The converter of a checkpoint under our names and its kind.

    Args:
        state_dict: Tensors under our names.
        kind: A kind that the user or the file named; None recognises it: the
            kind whose table has all the names and the fewest idle rows.

    Raises:
        ValueError: If no kind, or more than one, can be meant.
    """
    if kind is not None:
        return find_kind(state_dict, kind)
    found: dict[frozenset[str], list[tuple[ModuleType, str]]] = {}
    for module in converters().values():
        for name in module.RULES:
            try:
                result = module.convert(state_dict, name, backward=True)
            except ValueError:
                continue
            found.setdefault(frozenset(result), []).append((module, name))
    # kinds of equal result are one: an encoder alone fits many
    choices = [kinds[0] for kinds in found.values()]
    idle = [_idle_rows(state_dict, *choice) for choice in choices]
    best = [choice for choice, rows in zip(choices, idle) if rows == min(idle)]
    if not best:
        raise ValueError('the names are not ours of any kind; they start with '
                         f'{sorted(state_dict)[:3]}')
    if len(best) > 1:
        raise ValueError('the names fit several kinds; choose with --kind '
                         f'from {[name for _, name in best]}')
    return best[0]


def _idle_rows(state_dict: Mapping[str, Tensor], module: ModuleType,
               kind: str) -> int:
    """Rows of a table that match none of our names."""
    return sum(
        all(match_pattern(row.target, name) is None for name in state_dict)
        for row in module.RULES[kind])


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
    own = tensors_of_config(config)
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


def dataset_meta(config: str) -> dict[str, Any]:
    """Class names and colours of a config's test data, {} without any."""
    cfg = Config.fromfile(config)
    if not cfg.get('test_dataloader'):
        return {}
    scope = cfg.get('default_scope', 'mmengine')
    init_default_scope(scope)
    with DefaultScope.overwrite_default_scope(scope):
        dataset = DATASETS.build(
            dict(cfg.test_dataloader.dataset, lazy_init=True))
    return {
        name: value
        for name, value in dataset.metainfo.items()
        if name in ('classes', 'palette')
    }


def save_atomically(checkpoint: dict, path: str) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        checkpoint: The content. In a safetensors file, which holds tensors
            and text only, ``meta`` becomes JSON.
        path: The file; its suffix chooses the format.

    Raises:
        OSError: If the file cannot be written; nothing is left behind.
        ValueError: If the suffix is unknown.
    """
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise ValueError(f'{path}: the name of a checkpoint ends in one of '
                         f'{", ".join(SUFFIXES)}')
    if suffix != '.safetensors':
        save_whole(checkpoint, path)
        return
    unfinished = Path(path + UNFINISHED)
    try:
        # tensors of such a file are contiguous and share no memory
        save_file(
            {
                name: tensor.clone(memory_format=torch.contiguous_format)
                for name, tensor in state_dict_of(checkpoint, path).items()
            },
            unfinished,
            metadata=dict(
                format='pt', meta=json.dumps(checkpoint.get('meta', {}))))
        commit_file(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(source: str, trust: bool) -> dict[str, Any]:
    """Content of a checkpoint file; plain tensors become its model."""
    try:
        content = load_file(source, trust=trust)
    except UnsafeCheckpointError as error:
        raise UnsafeCheckpointError(
            f'{error}. If you trust where the file comes from, --trust reads '
            'it and runs what is in it') from None
    tensors = state_dict_of(content, source)
    others = {name: value for name, value in content.items()
              if not isinstance(value, (Mapping, Tensor))
              or name in ('args', 'meta', 'optimizer')}  # yapf: disable
    return dict(others, state_dict=tensors)


def join_folder(folder: str, target: str, config: str | None = None) -> str:
    """Write a sharded checkpoint as a plain file.

    A ``.pth`` has all that the folder has, so that training goes on from it
    on any number of processes, sharded or not; a safetensors file has the
    weights.

    Args:
        folder: The sharded checkpoint.
        target: Path to write.
        config: Config of a model that has to have exactly these weights.

    Returns:
        What was done.

    Raises:
        ValueError: If the folder is not one whole checkpoint, or does not
            fit ``config``.
    """
    checkpoint = load_file(folder)
    weights = checkpoint['state_dict']
    title = f'{folder} -> {target}: joined, {len(weights)} tensors'
    if config is not None:
        missing = check_against_config(weights, config)
        if missing:
            raise ValueError(f'{folder} lacks {len(missing)} tensors of '
                             f'{config}, such as {missing[0]}')
        title += f'; fits {config}, completely'
    save_atomically(checkpoint, target)
    return title


def convert_tensors(
        tensors: StateDict, kind: str | None,
        to: str) -> tuple[StateDict, ModuleType, str, list[Renamed]]:
    """Bring tensors of any known layout to another.

    Args:
        tensors: Under official names or ours.
        kind: Kind of the checkpoint; None recognises it.
        to: One of ``LAYOUTS``.

    Returns:
        The tensors, their converter and kind, and what each step renamed.

    Raises:
        ValueError: If the checkpoint is not known, or has no counterpart in
            the layout.
    """
    steps: list[Renamed] = []

    def follow(change, *args, **kwargs) -> StateDict:
        with follow_renames() as renamed:
            result = change(*args, **kwargs)
        steps.append(renamed)
        return result

    module, kind, official = _identify(tensors, kind)
    result = tensors
    if to == 'ours':
        if official:
            result = follow(module.convert, result, kind)
        return result, module, kind, steps
    if not official:
        result = follow(module.convert, result, kind, backward=True)
    if to == 'official':
        return result, module, kind, steps
    plain_vit = getattr(module, 'plain_vit', lambda *_: None)
    found = plain_vit(result, kind)
    if found is None:
        raise ValueError(f'{to} has no counterpart of the kind {kind}')
    if to == 'mmpretrain':
        found = follow(rename, found, TIMM_TO_MMPRETRAIN)
    return found, module, kind, steps


def _identify(tensors: StateDict,
              kind: str | None) -> tuple[ModuleType, str, bool]:
    """Converter and kind of tensors, and whether their names are official."""
    reasons = []
    for find in (find_kind, find_own_kind):
        try:
            module, found = find(tensors, kind)
            official = find is find_kind
            if kind is not None:  # the names decide
                module.convert(tensors, kind, backward=not official)
            return module, found, official
        except ValueError as error:
            reasons.append(str(error))
    if kind is not None:
        raise ValueError(reasons[0])
    raise ValueError('; '.join(reasons))


def convert_file(source: str,
                 target: str,
                 kind: str | None = None,
                 to: str = 'ours',
                 config: str | None = None,
                 trust: bool = False,
                 report: str | None = None) -> ConversionReport:
    """Convert a checkpoint file and say what became of it.

    Args:
        source: Path of the checkpoint, in the official layout or ours.
        target: Path to write, ``.pth`` or ``.safetensors``.
        kind: Kind of the checkpoint; by default what the file itself says,
            else what its names tell.
        to: One of ``LAYOUTS``.
        config: Config of the model that the file in our layout has to fit;
            its classes are noted in the file.
        trust: Read a file that needs more than tensors and plain values.
        report: Text file to write every name's fate to.

    Raises:
        FileNotFoundError: If ``source`` does not exist.
        ValueError: If it is not of a known kind or does not fit ``config``.
    """
    content = _read(source, trust)
    tensors = content.pop('state_dict')
    meta = content.get('meta')
    if kind is None and isinstance(meta, Mapping):
        kind = meta.get('kind')
    result, module, kind, steps = convert_tensors(tensors, kind, to)
    done = ConversionReport(
        f'{source} -> {target}: {kind}, {len(tensors)} tensors to {to}, '
        f'{len(result)} tensors', trace(tensors, result, steps),
        sorted(content))
    notes: dict[str, Any] = dict(
        converted_from=os.path.basename(source), kind=kind)
    if config is not None:
        missing = check_against_config(result if to == 'ours' else tensors,
                                       config)
        done.fates += [('missing', '', name) for name in missing]
        done.title += f'; fits {config}' + ('' if missing else ', completely')
        notes['dataset_meta'] = dataset_meta(config)
    save_atomically(_contain(result, module, kind, to, notes), target)
    if report is not None:
        write_text(report, f'{done}\n')
    return done


def _contain(tensors: StateDict, module: ModuleType, kind: str, to: str,
             notes: dict[str, Any]) -> dict[str, Any]:
    """The content of a file in some layout."""
    if to == 'timm':
        return dict(tensors)
    if to == 'official':
        return {getattr(module, 'CONTAINERS', {}).get(kind, 'model'): tensors}
    return dict(meta=notes if to == 'ours' else {}, state_dict=tensors)
