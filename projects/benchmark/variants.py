"""What is measured, and what it is measured against.

A variant is a config, changes to it and switches; ``--against`` names a
second one by words of all three kinds.
"""
import copy
import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.config import Config, DictAction
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from torch import nn

from projects.engine import launch
from projects.engine.config_check import check_options

from .original import SWITCHES, switch


@dataclass(frozen=True)
class Setting:
    """What all variants of a measurement share.

    Attributes:
        device: Where models run.
        batch: Images of a step; None for the config's own number.
        shape: Size of an image in pixels, (height, width); None for what the
            config is meant for.
        part: 'backbone' for the backbone alone, forward and backward from a
            random gradient; None for the whole model.
        amp: Mixed precision; else float32, whatever the config says.
        compile: Compile the model's forward pass, as configs do with
            ``compile = True``.
    """
    device: torch.device
    batch: int | None = None
    shape: tuple[int, ...] | None = None
    part: str | None = None
    amp: bool = False
    compile: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """Type of the matrix products."""
        return torch.bfloat16 if self.amp else torch.float32


@dataclass(frozen=True)
class Variant:
    """One of the things that are compared.

    Attributes:
        name: As the report calls it.
        cfg: The config, precision settled.
        switches: Names of :data:`SWITCHES` to apply to the model.
    """
    name: str
    cfg: Config
    switches: tuple[str, ...] = ()

    def build(self, weights: nn.Module | None = None) -> nn.Module:
        """The model in training mode, from seed 0 and without checkpoints.

        Args:
            weights: Take the weights of this model if all of them fit.
        """
        torch.manual_seed(0)
        init_default_scope(self.cfg.get('default_scope', 'mmengine'))
        with DefaultScope.overwrite_default_scope(
                self.cfg.get('default_scope')):
            model = MODELS.build(self._model_config())
        model.init_weights()
        model = revert_sync_batchnorm(model)
        if weights is not None and same_shapes(model, weights):
            model.load_state_dict(weights.state_dict())
        self.alter(model)
        return model.train()

    def _model_config(self) -> dict:
        """As a runner would build it, without pretrained weights."""
        model = without_checkpoints(self.cfg.model)
        if 'data_preprocessor' in self.cfg:
            model.setdefault('data_preprocessor', self.cfg.data_preprocessor)
        return model

    def alter(self, model: nn.Module) -> None:
        """Apply the switches to a model."""
        for name in self.switches:
            switch(model, name)


def without_checkpoints(model: dict) -> dict:
    """A model's config that loads no pretrained weights."""
    model = copy.deepcopy(model)
    nodes = [model]
    while nodes:
        node = nodes.pop()
        if (node.get('init_cfg') or {}) and isinstance(
                node['init_cfg'],
                dict) and node['init_cfg'].get('type') == 'Pretrained':
            node['init_cfg'] = None
        nodes += [value for value in node.values() if isinstance(value, dict)]
    return model


def same_shapes(model: nn.Module, other: nn.Module) -> bool:
    """Whether two models have tensors of the same names and shapes."""
    shapes = [{
        name: value.shape
        for name, value in module.state_dict().items()
    } for module in (model, other)]
    return shapes[0] == shapes[1]


def settle_precision(cfg: Config, amp: bool, device: torch.device) -> None:
    """Mixed precision or float32, whatever the config says."""
    wrapper = cfg.get('optim_wrapper')
    if wrapper is None:
        return
    if amp and device.type == 'cuda':
        launch.use_amp(cfg)
        return
    wrapper.type = 'CpuAmpOptimWrapper' if amp else 'OptimWrapper'
    for name in ('loss_scale', 'dtype', 'use_fsdp'):
        wrapper.pop(name, None)


def parse_variants(config: str, options: dict, against: Sequence[str],
                   setting: Setting) -> list[Variant]:
    """The config, and what ``against`` makes of it if there are words.

    Args:
        config: Path of the config.
        options: Changes to it, for all variants.
        against: Each a path of another config, a switch, or KEY=VALUE.
        setting: Decides the precision.

    Raises:
        FileNotFoundError: If a config does not exist.
        ValueError: If a word is none of these, or a key is misspelt.
    """
    cfg = launch.load_config(config, options)
    settle_precision(cfg, setting.amp, setting.device)
    if setting.compile:
        cfg.setdefault('compile', True)
    variants = [Variant('this', cfg)]
    if not against:
        return variants
    other, switches, changes = copy.deepcopy(cfg), [], {}
    for word in against:
        if word.endswith('.py'):
            other = launch.load_config(word, {})
            settle_precision(other, setting.amp, setting.device)
        elif '=' in word:
            key, _, value = word.partition('=')
            changes[key] = DictAction._parse_iterable(value)
        elif word in SWITCHES:
            switches.append(word)
        else:
            near = difflib.get_close_matches(word, SWITCHES, n=1, cutoff=0)
            raise ValueError(
                f'--against {word} is neither a config (.py), nor KEY=VALUE, '
                f'nor a switch; did you mean {near[0]}? The switches are '
                f'{", ".join(SWITCHES)}')
    check_options(other, changes)
    other.merge_from_dict(changes)
    return [*variants, Variant(' '.join(against), other, tuple(switches))]
