"""Saving, loading and resuming: the part of the runner that loses nothing."""
import os
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import (all_gather_object, all_reduce, barrier,
                           broadcast_object_list, is_main_process)
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import STRATEGIES
from mmengine.runner import CheckpointLoader, Runner
from torch import nn
from torch.distributed.tensor import DTensor

from projects.common.checkpoint import load_state_dict, state_dict_of
from projects.common.safe_load import CheckpointError
from projects.common.sharded import PARTED, file_name

from .checkpoint_io import (UNFINISHED, commit_file, commit_folder,
                            find_checkpoint, remove, save_whole)
from .losses import NonFiniteLossError
from .resumable_data import ResumableBatches
from .run_state import (pack_logs, plain, random_state, set_random_state,
                        unpack_logs)
from .sharding import FullyShardStrategy, rows_of, shard_optimizer_state


class CheckpointRunner(Runner):
    """mmengine's ``Runner`` with checkpoints that hold the whole state.

    They also hold random states and the position in the data, are written
    whole or not at all, and are read without executing code. Training that
    is resumed on the CPU ends with the weights of an unbroken run, bit for
    bit.
    """
    _run_state: dict[str, Any]
    _resumed: dict[str, Any]

    @cached_property
    def sharding(self) -> FullyShardStrategy | None:
        """How the model is sharded; None for a whole one in each process.

        Raises:
            ValueError: If ``strategy`` is of another kind.
        """
        cfg = self.cfg.get('strategy')
        if cfg is None:
            return None
        if STRATEGIES.get(cfg.get('type')) is not FullyShardStrategy:
            raise ValueError(
                f'strategy is of type {cfg.get("type")!r}; this runner takes '
                "FullyShardStrategy, mmengine's own go with "
                "runner_type='FlexibleRunner'")
        if self.world_size == 1:
            self.logger.info('one process: the model is not sharded')
            return None
        return STRATEGIES.build(cfg)

    def save_checkpoint(self,
                        out_dir: str,
                        filename: str,
                        file_client_args: dict | None = None,
                        save_optimizer: bool = True,
                        save_param_scheduler: bool = True,
                        meta: dict | None = None,
                        by_epoch: bool = True,
                        backend_args: dict | None = None) -> None:
        """See ``Runner``; a crash or a full disk leaves no partial file.

        To be called on all processes: each contributes its random state.

        Raises:
            OSError: If the disk is full or not writable.
            NonFiniteLossError: If a weight is not finite. In both cases
                earlier checkpoints are left as they are.
            ValueError: If ``out_dir`` cannot take a checkpoint in parts.
        """
        self.call_hook('flush_losses')
        self._check_weights(self.iter if by_epoch else self.iter + 1)
        self._run_state = self._collect_run_state()
        if self.sharding is not None:
            self._run_state = self.sharding.whole_or_parts({
                **self._run_state, 'state_dict':
                self._bare_model().state_dict(),
                **(dict(optimizer=self.optim_wrapper.state_dict())
                   if save_optimizer else {})
            })
        options = dict(
            file_client_args=file_client_args,
            save_optimizer=save_optimizer,
            save_param_scheduler=save_param_scheduler
            and self.param_schedulers is not None,
            meta=meta,
            by_epoch=by_epoch,
            backend_args=backend_args)
        backend = get_file_backend(out_dir, backend_args=backend_args)
        in_parts = self.sharding is not None and self.sharding.in_parts
        if not isinstance(backend, LocalBackend):
            if in_parts:
                raise ValueError(
                    f'{out_dir} is not on a disk, where alone checkpoints in '
                    "parts are written: set strategy.state_dict_cfg='full'")
            super().save_checkpoint(out_dir, filename, **options)
        elif in_parts:
            self._write_parts(os.path.join(out_dir, filename), options)
        elif is_main_process():
            self._write(out_dir, filename, options)

    def _write(self, out_dir: str, filename: str, options: dict) -> None:
        """Let ``Runner`` write its file, and see that it is whole."""
        path = os.path.join(out_dir, filename)
        try:
            if is_main_process():
                super().save_checkpoint(out_dir, filename + UNFINISHED,
                                        **options)
                commit_file(path)
            else:  # which does nothing there
                part = {name: self._run_state[name] for name in PARTED
                        if name in self._run_state}  # yapf: disable
                save_whole(plain(part), path)
        except OSError as error:
            free = shutil.disk_usage(out_dir).free / 2**20
            raise OSError(
                error.errno, f'checkpoint {path} was not written '
                f'({error.strerror or error}; {free:.0f} MiB free). '
                'Earlier checkpoints are intact: make room, then '
                '--resume') from None
        finally:
            Path(path + UNFINISHED).unlink(missing_ok=True)

    def _write_parts(self, folder: str, options: dict) -> None:
        """A file of each process in a folder, which appears when all are safe.

        Raises:
            OSError: On all processes, if one could not write its file.
        """
        unfinished = folder + UNFINISHED
        if is_main_process():
            remove(unfinished)
            os.makedirs(unfinished)
        barrier()
        self._run_state['saved_at'] = [
            self.experiment_name, self.epoch, self.iter
        ]
        failure: OSError | None = None
        try:
            self._write(unfinished, file_name(self.rank, self.world_size),
                        options)
        except OSError as error:
            failure = error
        failures = [error for error in all_gather_object(failure) if error]
        if is_main_process():
            if failures:
                remove(unfinished)
            else:
                commit_folder(folder)
        barrier()
        if failures:
            raise failures[0]

    def _check_weights(self, iteration: int) -> None:
        """Refuse weights that the last update has spoiled.

        Raises:
            NonFiniteLossError: Names them.
        """
        weights = {
            name: weight.detach()
            for name, weight in self._bare_model().named_parameters()
        }
        parts = [
            weight.to_local() if isinstance(weight, DTensor) else weight
            for weight in weights.values()
        ]
        finite = torch.stack([part.isfinite().all() for part in parts]).int()
        if self.sharding is not None:  # each process has seen a part
            all_reduce(finite, op='min')
        if finite.all():
            return
        bad = [name for name, good in zip(weights, finite) if not good]
        raise NonFiniteLossError(
            f'training stopped: after iteration {iteration} '
            f'{len(bad)} weights are not finite, such as {bad[0]}; this '
            'state is not saved, earlier checkpoints are intact', iteration)

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """See ``Runner``; after the hooks, completes a checkpoint."""
        super().call_hook(fn_name, **kwargs)
        if fn_name == 'before_save_checkpoint':
            checkpoint = kwargs['checkpoint']
            checkpoint.update(
                self._run_state,
                message_hub=pack_logs(checkpoint['message_hub']))
            for name, value in checkpoint.items():
                # state dicts hold tensors only, and metadata of their own
                if not name.endswith('state_dict'):
                    checkpoint[name] = plain(value, name)

    def _collect_run_state(self) -> dict[str, Any]:
        """What mmengine does not save; to be called on all processes."""
        state = dict(
            random_states=all_gather_object(random_state()),
            # a checkpoint written while training comes before the validation
            # that may be due then
            val_pending=self.message_hub.get_info('loop_stage') == 'train')
        batches = self.train_dataloader.batch_sampler
        if isinstance(batches, ResumableBatches):
            state['data'] = dict(
                seed=batches.seed,
                epoch_length=len(batches),
                batches_done=getattr(self.train_loop, 'batches_done', 0))
        wrapper = self.optim_wrapper
        if isinstance(wrapper, OptimWrapper) and not isinstance(
                wrapper, OptimWrapperDict) and not wrapper.should_update():
            state['gradients'] = self._accumulated_gradients()
        return state

    def _accumulated_gradients(self) -> dict[str, torch.Tensor]:
        """Gradients between two updates, averaged over processes.

        With one process they continue to the last bit, with several up to
        rounding.
        """
        gradients = {
            name: parameter.grad.clone()
            for name, parameter in self._bare_model().named_parameters()
            if parameter.grad is not None
        }
        if self.sharding is None:  # otherwise each pass has averaged them
            for gradient in gradients.values():
                all_reduce(gradient, op='mean')
        return gradients

    def _bare_model(self) -> nn.Module:
        model = self.model.module if is_model_wrapper(
            self.model) else self.model
        return model.module if isinstance(model, BaseTTAModel) else model

    def load_or_resume(self) -> None:
        """See ``Runner``; a folder to resume from has to hold something.

        ``resume=True`` in a config without ``load_from`` starts from scratch
        in a new work directory, as long recipes expect.

        Raises:
            FileNotFoundError: If ``load_from`` is a folder without a
                checkpoint.
            CheckpointError: If all checkpoints there are damaged.
        """
        source = self._load_from or self.work_dir
        if self._has_loaded or not self._resume or not (
                self._load_from is None or os.path.isdir(source)):
            super().load_or_resume()
            return
        found: list = [None]
        if is_main_process():
            try:
                found[0] = find_checkpoint(source)
            except CheckpointError as error:
                found[0] = error
        broadcast_object_list(found)
        if isinstance(found[0], CheckpointError):
            raise found[0]
        if found[0] is not None:
            self.resume(found[0])
        elif self._load_from is None:
            self.logger.info(
                f'nothing to resume in {source}: training starts from scratch')
        else:
            raise FileNotFoundError(
                f'cannot resume: there is no checkpoint in {source}. Leave '
                'out --resume to start from scratch')

    def load_checkpoint(self,
                        filename: str,
                        map_location: Any = 'cpu',
                        strict: bool = False,
                        revise_keys: Any = None) -> dict:
        """Load weights and report which; see ``Runner``.

        Training may start from a part of the model, so ``load_from`` needs
        the backbone alone. Resuming and testing need every weight, or, if the
        loop of the test says so, all of a part.

        Raises:
            ValueError: If the checkpoint does not fit the model.
        """
        checkpoint = CheckpointLoader.load_checkpoint(
            filename, map_location=map_location)
        if self._resume:
            _check_is_training_state(checkpoint, filename)
            checkpoint['message_hub'] = unpack_logs(checkpoint['message_hub'])
            if self.sharding is not None:
                checkpoint['optimizer'] = shard_optimizer_state(
                    self.optim_wrapper.optimizer, checkpoint['optimizer'])
            self._resumed = checkpoint
        else:
            checkpoint = dict(state_dict=state_dict_of(checkpoint, filename))
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        weights = state_dict_of(checkpoint, filename)
        # train() has built the optimiser by now, test() never does
        if isinstance(self.optim_wrapper, OptimWrapper) and not self._resume:
            load_state_dict(self._bare_model(), weights, filename)
        else:
            load_state_dict(
                self._bare_model(),
                weights,
                filename,
                part=getattr(self._test_loop, 'needed_part', ''),
                min_coverage=1.)
        self._has_loaded = True
        return checkpoint

    def resume(self,
               filename: str,
               resume_optimizer: bool = True,
               resume_param_scheduler: bool = True,
               map_location: Any = 'cpu') -> None:
        """See ``Runner``; also random states and the place in the data."""
        self._resume = True
        super().resume(
            filename,
            resume_optimizer=resume_optimizer,
            resume_param_scheduler=(resume_param_scheduler
                                    and self.param_schedulers is not None),
            map_location=map_location)
        checkpoint, self._resumed = self._resumed, {}
        self._resume_data(checkpoint)
        parameters = dict(self._bare_model().named_parameters())
        for name, gradient in checkpoint.get('gradients', {}).items():
            gradient = gradient.to(parameters[name].device)
            parameters[name].grad = rows_of(parameters[name], gradient)
        states = checkpoint.get('random_states', ())
        if len(states) == self.world_size:
            set_random_state(states[self.rank])
        else:
            self.logger.warning(
                f'{filename} has random states of {len(states)} processes, '
                f'this run has {self.world_size}: it continues, but not as '
                'the same run would have')

    def _resume_data(self, checkpoint: dict) -> None:
        """Continue with the batch after the last one of the checkpoint."""
        loop = self.train_loop
        batches = loop.dataloader.batch_sampler
        saved = checkpoint.get('data')
        if saved is None or not isinstance(batches, ResumableBatches):
            return
        batches.reseed(saved['seed'])
        done, length = saved['batches_done'], saved['epoch_length']
        if len(batches) != length:
            done = round(done * len(batches) / length)
            self.logger.warning(
                f'an epoch had {length} batches and has {len(batches)} now: '
                'training continues at the same share of the epoch')
        loop.batches_done = done
        loop.val_pending = checkpoint['val_pending'] and done == 0


def _check_is_training_state(checkpoint: Any, filename: str) -> None:
    """Raise when ``checkpoint`` holds weights alone."""
    needed = {'meta', 'message_hub', 'optimizer'}
    if isinstance(checkpoint, dict) and needed <= checkpoint.keys():
        return
    raise CheckpointError(
        f'cannot resume from {filename}: it holds weights but no optimiser '
        'state. To start a new training from weights, leave out --resume and '
        f'give --cfg-options load_from={filename}, or name the file in the '
        "backbone's init_cfg")
