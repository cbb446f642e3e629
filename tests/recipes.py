"""What a recipe's config amounts to: models, parameter groups, schedules."""
import copy
import math
from collections.abc import Callable

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmpretrain.registry import MODELS, TRANSFORMS
from torch import nn


def build(cfg: Config, pretrained: bool = False) -> nn.Module:
    """The model; from scratch, unless its weights file is there."""
    if not pretrained:
        cfg.model.backbone.init_cfg = None
    cfg.model.data_preprocessor = cfg.data_preprocessor
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(cfg.model)


def optimizer_of(cfg: Config, model: nn.Module) -> torch.optim.Optimizer:
    """By the config's own constructor; without AMP, which has no part."""
    wrapper = copy.deepcopy(cfg.optim_wrapper)
    wrapper.type = 'OptimWrapper'
    del wrapper['dtype'], wrapper['loss_scale']
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return build_optim_wrapper(model, wrapper).optimizer


def groups_by_official_name(cfg: Config, convert: Callable,
                            kind: str) -> dict[str, dict]:
    """The parameter group of each trained parameter.

    Args:
        cfg: A recipe.
        convert: Converter of the project.
        kind: Kind of the official checkpoint, one of its.
    """
    model = build(cfg)
    names = {param: name for name, param in model.named_parameters()}
    groups = {}
    for group in optimizer_of(cfg, model).param_groups:
        for param in group['params']:
            if param.requires_grad:
                official = convert({names[param]: param}, kind, backward=True)
                groups[next(iter(official))] = group
    return groups


def official_rate(epoch: float, lr: float, min_lr: float, warmup_epochs: int,
                  epochs: int) -> float:
    """Learning rate of the official code at a (fractional) epoch."""
    if epoch < warmup_epochs:
        return lr * epoch / warmup_epochs
    progress = (epoch - warmup_epochs) / (epochs - warmup_epochs)
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2


def check_schedule(cfg: Config, min_lr: float, warmup: int,
                   epochs: int) -> None:
    """Compare with the official rate at every iteration.

    For two groups, one at a quarter of the rate. LinearLR reaches the full
    rate one iteration early: in its N iterations it is off by up to
    1 / (N - 1) of the rate (N is some 25,000 on ImageNet), and it starts at a
    millionth instead of zero.
    """
    length = 10  # iterations in an epoch
    lr = cfg.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([
        dict(params=nn.Parameter(torch.zeros(1)), lr=lr * scale)
        for scale in (1, .25)
    ],
                                lr=lr)
    schedulers = []
    for scheduler in cfg.param_scheduler:
        scheduler = dict(scheduler)
        assert scheduler.pop('convert_to_iter_based')
        kind = PARAM_SCHEDULERS.get(scheduler.pop('type'))
        schedulers.append(
            kind.build_iter_from_epoch(
                optimizer, epoch_length=length, **scheduler))
    assert cfg.train_cfg.max_epochs == epochs
    for step in range(epochs * length):
        expected = official_rate(step / length, lr, min_lr, warmup, epochs)
        slack = lr * (1 / (warmup * length - 1) + 1e-6) \
            if step < warmup * length else 1e-9 * lr
        rates = [group['lr'] for group in optimizer.param_groups]
        assert rates[0] == pytest.approx(expected, abs=slack)
        assert rates[1] == pytest.approx(expected / 4, abs=slack / 4)
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()


def flat(node, prefix: str = '') -> dict:
    """A config as a flat dictionary."""
    if isinstance(node, dict) and node:
        return {
            key: value
            for name in node
            for key, value in flat(node[name], f'{prefix}{name}.').items()
        }
    return {prefix[:-1]: node}


def changes(base: Config, other: Config) -> dict:
    """What ``other`` sets to another value, or sets alone."""
    ours, theirs = flat(base._cfg_dict), flat(other._cfg_dict)
    assert ours.keys() <= theirs.keys()
    return {
        key: value
        for key, value in theirs.items()
        if key not in ours or ours[key] != value
    }


def run_pipeline(pipeline: list, path: str) -> dict:
    """What a pipeline makes of an image."""
    results = dict(img_path=path, gt_label=3)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for transform in pipeline:
            results = TRANSFORMS.build(transform)(results)
    return results
