"""Catch misspelt keys, which mmengine takes for new ones and ignores.

A config may hold variables of any name, so a top-level key is an error only
when it is a slip of the pen away from one that the runner reads. A change on
the command line has to name a key that the config has, or an argument of the
class that a ``type`` beside it names.
"""
import difflib
import inspect
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import (DATA_SAMPLERS, DATASETS, EVALUATOR, HOOKS,
                               LOG_PROCESSORS, LOOPS, METRICS, MODELS,
                               OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS,
                               OPTIMIZERS, PARAM_SCHEDULERS, TASK_UTILS,
                               TRANSFORMS, VISBACKENDS, VISUALIZERS)
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

# Names at least this alike (difflib's ratio), of nearly the same length, are
# taken for misspellings; free variables in the configs of mmpretrain, mmdet
# and mmseg are not as close.
ALIKE = 0.85


def _arguments(function: Any) -> set[str]:
    """Names of the arguments of a function or class."""
    return set(inspect.signature(function).parameters) - {'self', 'cfg'}


RUNNER = _arguments(Runner) | {
    'activation_checkpointing', 'compile', 'custom_imports',
    'efficient_conv_bn_eval', 'find_unused_parameters', 'model_wrapper_cfg',
    'runner_type', 'strategy', 'sync_bn'
}
# test-time augmentation is read by tools/test.py
TOP_LEVEL = RUNNER | {'tta_model', 'tta_pipeline'}
# What the `type`s of a config are looked up in.
REGISTRIES = (DATA_SAMPLERS, DATASETS, EVALUATOR, HOOKS, LOG_PROCESSORS, LOOPS,
              METRICS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS,
              OPTIMIZERS, PARAM_SCHEDULERS, TASK_UTILS, TRANSFORMS,
              VISBACKENDS, VISUALIZERS)
# Keys that mmengine takes off a config before it calls the class.
TAKEN_OFF = {
    'type', '_delete_', '_scope_', 'priority', 'convert_to_iter_based'
}
LOADER = _arguments(DataLoader) | {
    'disable_subprocess_warning', 'num_batch_per_epoch'
}
# Parts of a config that need no `type`: what they accept besides the
# arguments of the class that is used then.
SECTIONS: dict[str, tuple[set[str], str | None]] = {
    'train_dataloader': (LOADER, None),
    'val_dataloader': (LOADER, None),
    'test_dataloader': (LOADER, None),
    'train_cfg': ({'by_epoch', 'max_epochs',
                   'max_iters'}, 'EpochBasedTrainLoop'),
    'val_cfg': (set(), 'ValLoop'),
    'test_cfg': (set(), 'TestLoop'),
    'optim_wrapper':
    (_arguments(DefaultOptimWrapperConstructor)
     | {'constructor', 'optimizer', 'paramwise_cfg'}, 'OptimWrapper'),
    'optim_wrapper.paramwise_cfg': ({
        'bias_decay_mult', 'bias_lr_mult', 'bypass_duplicate', 'custom_keys',
        'dcn_offset_lr_mult', 'dwconv_decay_mult', 'flat_decay_mult',
        'layer_decay_rate', 'norm_decay_mult'
    }, None),
    'default_hooks': ({
        'checkpoint', 'logger', 'param_scheduler', 'runtime_info',
        'sampler_seed', 'timer', 'visualization'
    }, None),
    'env_cfg': ({'cudnn_benchmark', 'dist_cfg', 'mp_cfg',
                 'resource_limit'}, None),
    'env_cfg.mp_cfg': (_arguments(set_multi_processing), None),
    'env_cfg.dist_cfg': (_arguments(init_dist) | {'timeout'}, None),
    'randomness': (_arguments(Runner.set_randomness), None),
    'auto_scale_lr': ({'base_batch_size', 'enable'}, None),
    'log_processor': (set(), 'LogProcessor'),
    'visualizer': (set(), 'Visualizer'),
}


def check_top_level(cfg: Config) -> None:
    """Check the keys that the runner reads.

    Raises:
        ValueError: If a key looks like a misspelling of one of them.
    """
    for key in cfg:
        meant = misspelt(key)
        if meant is not None:
            raise ValueError(
                f'{cfg.filename or "config"}: the runner does not know '
                f'{key!r}; did you mean {meant!r}?')


def misspelt(key: str) -> str | None:
    """The runner's key that a top-level key is a slip of the pen away from.

    Returns:
        That key, or None when ``key`` is right or a free variable.
    """
    if key in TOP_LEVEL:
        return None
    for known in difflib.get_close_matches(key, RUNNER, 3, ALIKE):
        if abs(len(known) - len(key)) <= 3:
            return known
    same_letters = [name for name in RUNNER if sorted(name) == sorted(key)]
    return same_letters[0] if same_letters else None


def check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Check changes from the command line.

    Args:
        cfg: The config they are for.
        options: Values by dotted key, as ``--cfg-options`` parses them.

    Raises:
        ValueError: If the config has no such key; suggests the nearest.
    """
    problems = []
    for key in options:
        problem = _problem(cfg, key.split('.'), options)
        if problem:
            problems.append(f'{key}: {problem}')
        elif '.' not in key and key not in TOP_LEVEL:
            print_log(
                f'--cfg-options {key}: a variable of the config file. Where '
                'it was used its old value stays; change it there', 'current',
                logging.WARNING)
    if problems:
        raise ValueError('--cfg-options ' + '; '.join(problems))


def _problem(cfg: Config, parts: list[str],
             options: Mapping[str, Any]) -> str | None:
    """What is wrong with a dotted key, or None."""
    node: Any = cfg
    for depth, part in enumerate(parts):
        path = '.'.join(parts[:depth])
        if isinstance(node, (list, tuple)):
            if not part.isdigit() or int(part) >= len(node):
                return (f'{path} is a list of {len(node)} items, counted '
                        f'from 0; it has no {part!r}')
            node = node[int(part)]
        elif isinstance(node, (Mapping, Config)):
            if part not in node:
                return _unknown(cfg, node, path, part, options)
            node = node[part]
        elif f'{path}.type' in options:
            return None
        else:
            return f'{path} is {node!r} and has nothing inside'
    return None


def _unknown(cfg: Config, node: Any, path: str, part: str,
             options: Mapping[str, Any]) -> str | None:
    """What is wrong with a key that the config does not have, or None."""
    known = TOP_LEVEL if not path else _accepted(cfg, node, path, options)
    if (known is None or part in known or part in TAKEN_OFF
            or path.endswith('custom_keys')):
        return None
    close = difflib.get_close_matches(part, {*known, *node}, 1)
    place = path or 'the config'
    advice = f'; did you mean {close[0]!r}?' if close else (
        f'; it has {", ".join(sorted(node))}' if path else '')
    return f'{place} has no key {part!r}{advice}'


def _accepted(cfg: Config, node: Mapping, path: str,
              options: Mapping[str, Any]) -> set[str] | None:
    """Keys that may be added to a part of the config; None means any."""
    extra, default = SECTIONS.get(path, (set(), None))
    if path.endswith('init_cfg'):
        extra = {'min_coverage'}  # of projects.common.checkpoint
    kind = options.get(f'{path}.type', node.get('type', default))
    if kind is None:
        return extra
    scope = cfg.get('default_scope', 'mmengine')
    classes = [kind] if callable(kind) else list(_classes(kind, scope))
    accepted = set(extra)
    for item in classes:
        arguments = class_arguments(item)
        if arguments is None:
            return None
        accepted |= arguments
    return accepted if classes else None


def _classes(name: str, scope: str) -> Iterator[Any]:
    """What a name stands for in any registry, seen from ``scope``."""
    for registry in REGISTRIES:
        with registry.switch_scope_and_registry(scope) as scoped:
            found = scoped.get(name)
        if found is not None:
            yield found


def class_arguments(item: Any) -> set[str] | None:
    """Arguments of a class or function, with those it passes to its bases.

    Returns:
        Their names, or None when any name is accepted.
    """
    if not inspect.isclass(item):
        parameters = inspect.signature(item).parameters.values()
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        return None if takes_any else {p.name for p in parameters}
    names: set[str] = set()
    for base in item.__mro__:
        init = base.__dict__.get('__init__')
        if init is None or base is object:
            continue
        parameters = inspect.signature(init).parameters.values()
        names |= {p.name for p in parameters}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names - {'self'}
    return None
