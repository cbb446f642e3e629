"""mmengine's training loops, continuing where a checkpoint was written.

Upstream repeats the batches of an epoch that was begun, loads what it skips,
and forgets a validation that was due.
"""
from collections.abc import Iterator
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader

from .resumable_data import ResumableBatches


class EndlessBatches:
    """Batches of a loader, pass after pass.

    Args:
        loader: Its batch sampler is a :class:`ResumableBatches`.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader
        self.passes = 0
        self._iterator: Iterator | None = None

    def __iter__(self) -> 'EndlessBatches':
        return self

    def __next__(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self.loader)
        for batch in self._iterator:
            return batch
        self.passes += 1
        self.loader.batch_sampler.advance(self.passes, 0)
        self._iterator = iter(self.loader)
        for batch in self._iterator:
            return batch
        raise ValueError(
            f'the training data set of {len(self.loader.dataset)} samples '
            'gives no batch: it is smaller than one batch and drop_last is '
            'set')

    def skip_iter(self, num_iters: int) -> None:
        """Pass over batches without loading them."""
        batches = self.loader.batch_sampler
        while (passed := batches.advance(self.passes, num_iters)) < num_iters:
            if passed == 0:
                break  # __next__ explains a loader without batches
            num_iters -= passed
            self.passes += 1


@LOOPS.register_module()
class ResumableEpochTrainLoop(EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` that can start inside an epoch.

    Attributes:
        batches_done: Batches of the current epoch that were trained on.
        val_pending: Whether to look first if a validation was due when the
            checkpoint was written.

    Raises:
        ValueError: For a sampler without end, which would make an epoch so.
    """
    batches_done = 0
    val_pending = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sampler = getattr(self.dataloader.batch_sampler, 'sampler', None)
        if isinstance(sampler, InfiniteSampler):
            raise ValueError(
                'train_cfg counts epochs, but train_dataloader.sampler is '
                f'{type(sampler).__name__}, which never ends one: expected '
                'DefaultSampler, or train_cfg with by_epoch=False and '
                'max_iters')

    def run(self) -> nn.Module:
        """Train; see ``EpochBasedTrainLoop.run``."""
        self.runner.call_hook('before_train')
        if self.val_pending:
            self._validate_if_due()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate_if_due()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Train for what is left of one epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        start = self.batches_done
        if isinstance(self.dataloader.batch_sampler, ResumableBatches):
            self.dataloader.batch_sampler.advance(self._epoch, start)
        for idx, data_batch in enumerate(self.dataloader, start):
            self.batches_done = idx + 1
            self.run_iter(idx, data_batch)
        self.batches_done = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _validate_if_due(self) -> None:
        self.val_pending = False
        self._decide_current_val_interval()
        if (self.runner.val_loop is not None and self._epoch >= self.val_begin
                and (self._epoch % self.val_interval == 0
                     or self._epoch == self._max_epochs)):
            self.runner.val_loop.run()


@LOOPS.register_module()
class ResumableIterTrainLoop(IterBasedTrainLoop):
    """``IterBasedTrainLoop`` that skips without loading, for any sampler."""
    val_pending = False
    dataloader_iterator: Any  # batches without end, with ``skip_iter``

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.dataloader.batch_sampler, ResumableBatches):
            self.dataloader_iterator = EndlessBatches(self.dataloader)

    def run(self) -> nn.Module:
        """Train; see ``IterBasedTrainLoop.run``."""
        self.runner.call_hook('before_train')
        # hooks see the whole training as one epoch
        self.runner.call_hook('before_train_epoch')
        if self._iter > 0 and not self.fast_forward_on_resume:
            self.dataloader_iterator.skip_iter(self._iter)
        if self.val_pending:
            self._validate_if_due()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self._validate_if_due()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _validate_if_due(self) -> None:
        self.val_pending = False
        self._decide_current_val_interval()
        if (self.runner.val_loop is not None and self._iter >= self.val_begin
                and (self._iter % self.val_interval == 0
                     or self._iter == self._max_iters)):
            self.runner.val_loop.run()
