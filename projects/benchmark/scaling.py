"""Training steps on several processes, with the same images in all.

The batch is that of all processes together: each takes every n-th image. The
losses of the steps must then be equal for any number of processes.
"""
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from torch import Tensor, multiprocessing
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import \
    allreduce_hook
from torch.futures import Future

from .machine import describe
from .report import Report, Result
from .steps import SEED, TrainStep
from .timing import Times, take_turns
from .variants import Setting, Variant


def measure_scaling(variant: Variant, setting: Setting, numbers: Sequence[int],
                    iters: int, warmup: int) -> Report:
    """Rates of the same training on different numbers of processes.

    Every process has the same number of threads, that of the cores divided
    by the largest number of processes, so that the ratio to one process is
    the gain by the others.

    Args:
        variant: The config.
        setting: Its batch is the global one.
        numbers: Numbers of processes.
        iters: Number of timed steps.
        warmup: Steps before.

    Raises:
        ValueError: If the batch does not divide over the processes.
    """
    batch = setting.batch or variant.cfg.train_dataloader.batch_size
    uneven = [number for number in numbers if number < 1 or batch % number]
    if uneven:
        raise ValueError(f'--processes {uneven[0]}: a batch of {batch} does '
                         'not divide over so many')
    cores = describe(setting.device)['cores']
    threads = max(1, int(cores) // max(numbers))
    results = []
    for number in numbers:
        found = _launch(variant, setting, number, threads, iters, warmup)
        facts = dict(
            losses=found['losses'],
            reduced_bytes=found['reduced'],
            threads_of_a_process=threads)
        times = Times(found['wall'], found['cpu'])
        results.append(
            Result(f'{number} processes', 'images', batch, times, facts=facts))
    for number, result in zip(numbers, results):
        gain = result.rate / results[0].rate
        result.facts['efficiency'] = gain * numbers[0] / number
    command = dict(
        mode='scaling',
        config=variant.cfg.filename,
        batch=batch,
        processes=list(numbers),
        iters=iters)
    return Report(command, describe(setting.device), results)


def _launch(variant: Variant, setting: Setting, number: int, threads: int,
            iters: int, warmup: int) -> dict:
    """Run one number of processes; what its first one found."""
    with tempfile.TemporaryDirectory() as folder:
        # a config is dumped, for not everything in it can be pickled
        config = Path(folder, 'config.py')
        variant.cfg.dump(config)
        job = (number, folder, str(config), variant.switches, setting, threads,
               iters, warmup)
        multiprocessing.spawn(_work, job, number)
        return json.loads(Path(folder, 'result.json').read_text())


def _work(rank: int, number: int, folder: str, config: str,
          switches: tuple[str, ...], setting: Setting, threads: int,
          iters: int, warmup: int) -> None:
    """What each process does."""
    from mmengine.config import Config
    torch.set_num_threads(threads)
    os.environ.update(
        LOCAL_RANK=str(rank), RANK=str(rank), WORLD_SIZE=str(number))
    device = setting.device
    if device.type == 'cuda':
        device = torch.device('cuda', rank)
        torch.cuda.set_device(device)
    dist.init_process_group(
        'nccl' if device.type == 'cuda' else 'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=number)
    try:
        variant = Variant('this', Config.fromfile(config), switches)
        setting = Setting(device, setting.batch, setting.shape, None,
                          setting.amp, setting.compile)
        step = DistributedStep(variant, setting)
        times, = take_turns([step], iters, warmup, device)
        losses = torch.stack(step.losses).double()
        dist.all_reduce(losses)
        if rank == 0:
            found = dict(
                wall=times.wall,
                cpu=times.cpu,
                losses=(losses / number).tolist(),
                reduced=sum(step.reduced) // len(step.losses))
            Path(folder, 'result.json').write_text(json.dumps(found))
    finally:
        dist.destroy_process_group()


def _count_and_reduce(reduced: list[int],
                      bucket: dist.GradBucket) -> Future[Tensor]:
    """DDP's own average of a bucket of gradients, after counting its bytes."""
    reduced.append(bucket.buffer().nbytes)
    return allreduce_hook(dist.group.WORLD, bucket)


class DistributedStep(TrainStep):
    """A training step of a process on its share of the batch."""

    def prepare(self) -> None:
        """See :class:`Step`."""
        super().prepare()
        rank, number = dist.get_rank(), dist.get_world_size()
        self.data = {
            key: value[rank::number]
            for key, value in self.data.items()
        }
        device = self.setting.device
        cfg = self.variant.cfg
        self.parallel = MMDistributedDataParallel(
            self.model,
            device_ids=[device.index] if device.type == 'cuda' else None,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
            find_unused_parameters=cfg.get('find_unused_parameters', False))
        self.losses: list[Tensor] = []
        self.reduced: list[int] = []
        self.parallel.register_comm_hook(self.reduced, _count_and_reduce)

    def __call__(self) -> None:
        """See :class:`Step`; the masks of a step depend on its number."""
        torch.manual_seed(SEED + len(self.losses))
        found = self.parallel.train_step(self.data, self.optim_wrapper)
        self.losses.append(found['loss'].detach())
