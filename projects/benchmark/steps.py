"""Training and inference steps of a model on one random batch."""
import copy
from functools import cached_property

import torch
import torch._inductor.config
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed
from mmpretrain.models import BaseSelfSupervisor
from torch import Tensor, nn

from projects.analysis.complexity import default_shape, measure

from .inputs import random_batch
from .memory import held_for_backward, peak_above_start
from .variants import Setting, Variant

SEED = 1  # of masks, mixed images, dropped paths: the same for all variants


class Step:
    """A step that can be timed and whose memory can be measured.

    Args:
        variant: What to build.
        setting: Size, precision and device.
        weights: Take over the weights of this model if they fit.
    """
    PASSES = 1  # forward passes that the step costs

    def __init__(self,
                 variant: Variant,
                 setting: Setting,
                 weights: nn.Module | None = None) -> None:
        self.variant, self.setting = variant, setting
        cfg = variant.cfg
        self.shape = setting.shape or default_shape(cfg)
        self.batch = setting.batch or cfg.train_dataloader.batch_size
        self.model = variant.build(weights).to(setting.device)
        self.prepare()
        if variant.cfg.get('compile'):
            self.compile(variant.cfg.compile)

    def prepare(self) -> None:
        """Everything but the model."""
        if self.setting.part is None:
            self.data = random_batch(self.model, self.batch, self.shape)

    def compile(self, options: bool | dict) -> None:
        """Compile the forward pass with the config's ``compile``."""
        # random numbers as without: variants see the same masks
        torch._inductor.config.fallback_random = True
        target = self.model if self.setting.part is None else self.backbone
        options = options if isinstance(options, dict) else {}
        setattr(target, 'forward', torch.compile(target.forward, **options))

    def __call__(self) -> None:
        """Run the step."""
        raise NotImplementedError

    @property
    def backbone(self) -> nn.Module:
        """The backbone of the model."""
        return self.model.backbone

    @cached_property
    def images(self) -> Tensor:
        """Normalised images for a backbone alone."""
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(self.batch, 3, *self.shape, generator=generator)
        return images.to(self.setting.device)

    def maps(self) -> tuple[Tensor, ...]:
        """The feature maps of a backbone alone."""
        with self.autocast():
            return self.backbone(self.images)

    def autocast(self) -> torch.autocast:
        """Mixed precision, if set."""
        return torch.autocast(
            self.setting.device.type,
            dtype=torch.bfloat16,
            enabled=self.setting.amp)

    def macs(self) -> int:
        """Multiply-accumulates of a step; what is computed again to save
        memory counts once."""
        cost = measure(self.variant.cfg, self.shape, self._as_measured)
        part = self.setting.part
        one = cost.total if part is None else cost.parts[part]
        return self.PASSES * self.batch * one.macs

    def _as_measured(self, model: nn.Module) -> None:
        self.variant.alter(model)
        model.train(self.model.training)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()  # one image may have one value a channel

    def peak(self) -> int | None:
        """Bytes by which memory grows in a step."""
        return peak_above_start(self, self.setting.device)


class TrainStep(Step):
    """Forward, backward and update; of a backbone alone, no update."""
    PASSES = 3  # products for the output, its input's and weight's gradient

    def prepare(self) -> None:
        """See :class:`Step`; builds the optimizer."""
        super().prepare()
        # what a runner tells schedules inside models: the first of its steps
        MessageHub.get_current_instance().update_info_dict(
            dict(iter=0, max_iters=1))
        if self.setting.part is None:
            cfg = self.variant.cfg
            with DefaultScope.overwrite_default_scope(
                    cfg.get('default_scope')):
                self.optim_wrapper = build_optim_wrapper(
                    self.model, copy.deepcopy(cfg.optim_wrapper))

    def __call__(self) -> None:
        """See :class:`Step`."""
        if self.setting.part is None:
            set_random_seed(SEED)
            self.model.train_step(self.data, self.optim_wrapper)
            return
        outputs = self.forward()
        torch.autograd.backward(outputs, self.gradients)
        self.model.zero_grad()

    def forward(self) -> tuple[Tensor, ...]:
        """Loss or feature maps with their graph, from the same seed."""
        set_random_seed(SEED)
        if self.setting.part is not None:
            return self.maps()
        with self.optim_wrapper.optim_context(self.model):
            data = self.model.data_preprocessor(self.data, True)
            losses = self.model(**data, mode='loss')
        return self.model.parse_losses(losses)[:1]

    @cached_property
    def gradients(self) -> list[Tensor]:
        """Fixed random gradients of the feature maps."""
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            maps = self.maps()
        return [
            torch.randn(x.shape, generator=generator).to(x) / x.numel()
            for x in maps
        ]

    def held(self) -> tuple[int, Tensor]:
        """Bytes held between the forward and the backward pass, and the last
        of the outputs."""
        state = [*self.model.parameters(), *self.model.buffers()]
        held, outputs = held_for_backward(self.forward, state)
        return held, outputs[-1].detach()


class Inference(Step):
    """Prediction as in testing, without gradients."""

    def prepare(self) -> None:
        """See :class:`Step`."""
        super().prepare()
        self.model.eval()

    @torch.no_grad()
    def __call__(self) -> None:
        """See :class:`Step`."""
        set_random_seed(SEED)
        if self.setting.part is not None:
            self.maps()
            return
        with self.autocast():
            if isinstance(self.model, BaseSelfSupervisor):
                data = self.model.data_preprocessor(self.data, False)
                self.model.loss(**data)  # forward only: there is no test
            else:
                self.model.test_step(self.data)
