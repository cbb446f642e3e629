"""Train a head on frozen features that are computed once.

Shapes: N images, C channels.
"""
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.registry import LOOPS
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .loops import ResumableIterTrainLoop


@LOOPS.register_module()
class FrozenFeatureTrainLoop(ResumableIterTrainLoop):
    """A linear probe in seconds: one pass through the backbone.

    Without augmentation the features of a frozen backbone never change, so
    they are computed once, and every iteration takes those of all images: a
    step costs next to nothing, and a convex problem can be solved to its end.
    Batch norms in the neck standardise by the statistics of all images.

    Meant for small data sets: feature maps of all images are held in memory
    once, then one vector (C) of each. Give the training data the pipeline
    of testing, and an iteration is an epoch.

    Raises:
        ValueError: If anything but the head of the classifier is trainable,
            or there are several processes.
    """

    def run(self) -> nn.Module:
        """Compute the features, then train on them."""
        if get_world_size() > 1:
            raise ValueError(f'train_cfg.type is {type(self).__name__}, which '
                             'trains in one process; there are '
                             f'{get_world_size()}')
        self.dataloader_iterator = _Repeat(self._compute_features())
        return super().run()

    @torch.no_grad()
    def _compute_features(self) -> dict[str, Any]:
        """Features (N, C) and one data sample with the labels (N) of all."""
        model = self.runner.model
        trained = [
            name for name, parameter in model.named_parameters()
            if parameter.requires_grad and not name.startswith('head.')
        ]
        if trained:
            raise ValueError(
                f'train_cfg.type is {type(self).__name__}, which trains the '
                f'head alone, but {trained[0]} is trainable: freeze backbone '
                'and neck, for example by backbone.frozen_stages and '
                'neck.frozen')
        model.eval()
        maps: list[tuple[Tensor, ...]] = []
        labels: list[Tensor] = []
        for data_batch in self.dataloader:
            data = model.data_preprocessor(data_batch, False)
            maps.append(model.extract_feat(data['inputs'], stage='backbone'))
            labels += [sample.gt_label for sample in data['data_samples']]
        feats = tuple(torch.cat(parts) for parts in zip(*maps))
        if model.with_neck:
            for module in model.neck.modules():
                if isinstance(module, _BatchNorm):
                    module.reset_running_stats()
                    module.momentum = 1.  # the one batch is all there is
            feats = model.neck.train()(feats)
        return dict(
            inputs=feats,
            data_samples=[DataSample().set_gt_label(torch.cat(labels))])

    def run_iter(self, data_batch: dict[str, Any]) -> None:
        """Train the head on all features."""
        runner = self.runner
        runner.call_hook(
            'before_train_iter', batch_idx=self._iter, data_batch=data_batch)
        with runner.optim_wrapper.optim_context(runner.model):
            losses = runner.model.head.loss(data_batch['inputs'],
                                            data_batch['data_samples'])
        loss, outputs = runner.model.parse_losses(losses)
        runner.optim_wrapper.update_params(loss)
        runner.call_hook(
            'after_train_iter',
            batch_idx=self._iter,
            data_batch=data_batch,
            outputs=outputs)
        self._iter += 1


class _Repeat:
    """The same batch again and again."""

    def __init__(self, batch: dict[str, Any]) -> None:
        self.batch = batch

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        return self.batch

    def skip_iter(self, num_iters: int) -> None:
        """Nothing to pass over."""
