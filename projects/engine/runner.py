"""The runner behind ``tools/train.py`` and ``tools/test.py``."""
import copy
from collections.abc import Sized
from importlib import util
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import get_rank, is_distributed
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import convert_sync_batchnorm, is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import MODEL_WRAPPERS, RUNNERS
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import DataLoader

from projects.common.norm import sync_without_gpu

from .checkpoints import CheckpointRunner
from .data_check import named_data, no_samples
from .loading import NamingCollate
from .orphans import MortalWorker
from .resumable_data import make_resumable

DDP = 'MMDistributedDataParallel'

# mmengine's classes and ours that take their place in any config
REPLACED = dict(
    CheckpointHook='CrashSafeCheckpointHook',
    RuntimeInfoHook='LazyRuntimeInfoHook',
    EpochBasedTrainLoop='ResumableEpochTrainLoop',
    IterBasedTrainLoop='ResumableIterTrainLoop')


def _replace(cfg: dict) -> dict:
    """``cfg`` with our class in place of mmengine's."""
    kind = cfg.get('type')
    name = getattr(kind, '__name__', kind)
    return {**cfg, 'type': REPLACED[name]} if name in REPLACED else cfg


def fast_metric(metric: dict | BaseMetric) -> dict | BaseMetric:
    """COCO's metric in C++ where that is installed; others as they are.

    The numbers are equal. Not where there is no file of annotations, whose
    place in a sample differs, or where 100 is none of ``proposal_nums``, for
    which pycocotools' mAP is -1; there mmdet's own stays.
    """
    if (isinstance(metric, dict) and metric.get('type') == 'CocoMetric'
            and metric.get('ann_file')
            and 100 in metric.get('proposal_nums', (100, ))
            and util.find_spec('faster_coco_eval')):
        print_log('COCO metrics are computed by faster-coco-eval', 'current')
        return {**metric, 'type': 'FasterCocoMetric'}
    return metric


@RUNNERS.register_module()
class GlimpseRunner(CheckpointRunner):
    """mmengine's ``Runner``, made safe to interrupt.

    It takes the same configs. Besides what :class:`CheckpointRunner` does:
    every sample depends on seed, epoch and position only; losses are averaged
    over processes and read without waiting at every step; missing data is
    named; distributed and mixed-precision configs also run without a GPU.
    """

    def setup_env(self, env_cfg: dict) -> None:
        """See ``Runner``; processes without GPUs talk over gloo."""
        if (self.distributed and not is_distributed()
                and not torch.cuda.is_available()
                and self.launcher == 'pytorch'):
            torch.distributed.init_process_group('gloo')
            if get_rank() == 0:
                print_log('no GPU: processes communicate over gloo on the CPU')
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg: dict | None,
                   model: nn.Module) -> nn.Module:
        """See ``Runner``; gradients are views of DDP's buckets.

        That saves a copy of them. On the CPU, DDP takes no device ids, and
        batch norms that are to be synchronised are so there, too.
        """
        if self.sharding is not None:
            return model.to(get_device())  # train() shards it
        if not self.distributed or is_model_wrapper(model):
            return super().wrap_model(model_wrapper_cfg, model)
        wrapper_cfg = dict(model_wrapper_cfg or {})
        if wrapper_cfg.setdefault('type', DDP) == DDP:
            wrapper_cfg = {**self._ddp_defaults(), **wrapper_cfg}
        if torch.cuda.is_available():
            return super().wrap_model(wrapper_cfg, model)
        if self.cfg.get('sync_bn') is not None:
            model = convert_sync_batchnorm(model, self.cfg.sync_bn)
        return MODEL_WRAPPERS.build({
            **wrapper_cfg, 'device_ids': None,
            'module': sync_without_gpu(model)
        })

    def train(self) -> nn.Module:
        """See ``Runner``; a model that is to be sharded is so from here on.

        It gets its initial weights before, and its optimiser after.
        """
        if self.sharding is not None:
            self._init_model_weights()
            self.sharding.shard(self.model)
        return super().train()

    def _init_model_weights(self) -> None:
        if not isinstance(self.model, FSDPModule):
            super()._init_model_weights()

    def _ddp_defaults(self) -> dict[str, Any]:
        """What DDP is told unless ``model_wrapper_cfg`` says otherwise."""
        return dict(
            broadcast_buffers=False,
            find_unused_parameters=self.cfg.get('find_unused_parameters',
                                                False),
            gradient_as_bucket_view=True)

    def build_optim_wrapper(
            self, optim_wrapper: Any) -> OptimWrapper | OptimWrapperDict:
        """See ``Runner``; mixed precision is bfloat16 on the CPU.

        Detectors train in float32 there: mmcv's operators know no bfloat16.
        """
        if (isinstance(optim_wrapper, dict)
                and optim_wrapper.get('type') == 'AmpOptimWrapper'
                and not torch.cuda.is_available()):
            detects = self.cfg.get('default_scope') == 'mmdet'
            self.logger.info('no GPU: in place of mixed precision, training '
                             f'in {"float32" if detects else "bfloat16"}')
            optim_wrapper = copy.deepcopy(optim_wrapper)
            optim_wrapper['type'] = ('OptimWrapper'
                                     if detects else 'CpuAmpOptimWrapper')
            for name in ('loss_scale', 'dtype', 'use_fsdp'):
                optim_wrapper.pop(name, None)
        return super().build_optim_wrapper(optim_wrapper)

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """See ``Runner``; also one that saves when the run has to end."""
        super().register_default_hooks(hooks)
        self.register_hook(dict(type='PreemptionHook'))

    def register_hook(self,
                      hook: Hook | dict,
                      priority: str | int | None = None) -> None:
        """See ``Runner``; uses our checkpoint and runtime-info hooks."""
        hook = _replace(hook) if isinstance(hook, dict) else hook
        super().register_hook(hook, priority)

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """See ``Runner``; uses loops that can start inside an epoch."""
        if isinstance(loop, dict) and 'type' not in loop:
            loop = {**loop}
            by_epoch = loop.pop('by_epoch', True)
            loop['type'] = ('EpochBasedTrainLoop'
                            if by_epoch else 'IterBasedTrainLoop')
        return super().build_train_loop(
            _replace(loop) if isinstance(loop, dict) else loop)

    def build_val_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """See ``Runner``; sharded weights may not be float32."""
        loop = super().build_val_loop(loop)
        if self.sharding is not None and self.sharding.mixed:
            loop.fp16 = True  # which is autocast, of any type
        return loop

    def build_evaluator(self, evaluator: dict | list | Evaluator) -> Evaluator:
        """See ``Runner``; COCO's metric is computed in C++ if possible."""
        if isinstance(evaluator, list):
            evaluator = [fast_metric(metric) for metric in evaluator]
        elif isinstance(evaluator, dict):
            evaluator = fast_metric(evaluator)
        return super().build_evaluator(evaluator)

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict,
                         seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """See ``Runner``; samples depend on seed, epoch and position only."""
        if isinstance(dataloader, DataLoader):
            return dataloader
        # with diff_rank_seed the runner's seed has the rank added
        seed = seed or 0
        seed -= get_rank() if diff_rank_seed else 0
        dataloader = {**dataloader}
        if not torch.cuda.is_available():
            dataloader['pin_memory'] = False  # would warn and do nothing
        with named_data(dataloader['dataset']):
            loader = Runner.build_dataloader(dataloader, seed)
        if isinstance(loader.dataset, Sized) and len(loader.dataset) == 0:
            raise no_samples(dataloader['dataset'])
        loader.collate_fn = NamingCollate(loader.collate_fn)
        loader.worker_init_fn = MortalWorker(loader.worker_init_fn)
        return make_resumable(loader, seed)
