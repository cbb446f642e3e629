"""Speed of reading data: the loader, and one core's pipeline."""
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import av
import cv2
import mmcv
import torch
from mmengine import fileio
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, DefaultScope, init_default_scope

from projects.engine import GlimpseRunner
from projects.engine.loading import storage_of

from .compare import measure_steps
from .machine import describe
from .profile import draw
from .report import Report, Result
from .timing import take_turns
from .variants import Setting, Variant


class Loader:
    """Batches of a config's training loader, without end.

    Args:
        cfg: The config.
        batches: How many a call draws.
    """

    def __init__(self, cfg: Config, batches: int) -> None:
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        self.loader = GlimpseRunner.build_dataloader(
            cfg.train_dataloader, seed=0)
        self.batches = batches
        self.size = cfg.train_dataloader.batch_size
        self.workers = cfg.train_dataloader.get('num_workers', 0)
        self._stream = self._endless()

    def _endless(self) -> Iterator[Any]:
        while True:
            yield from self.loader

    def __call__(self) -> None:
        """Draw batches, and drop them."""
        for _ in islice(self._stream, self.batches):
            pass


def measure_loader(variant: Variant, setting: Setting, iters: int,
                   warmup: int) -> Report:
    """Rate of the training loader, over that of training steps.

    Above 1 the loader keeps the device busy. The loader is timed alone, in
    three passes of ``iters`` batches, with the workers of the config.

    Args:
        variant: The config; its files must be there.
        setting: For the training step; its batch is also the loader's.
        iters: Batches of a pass, and timed training steps.
        warmup: Passes and steps before.
    """
    cfg = variant.cfg
    if setting.batch:
        cfg.train_dataloader.batch_size = setting.batch
    loader = Loader(cfg, iters)
    times, = take_turns([loader], 3, warmup, torch.device('cpu'))
    steps = measure_steps('train-step', [variant], setting, iters, warmup)
    result = Result('loader', 'images', loader.size * iters, times)
    step = steps.results[0]
    result.facts.update(
        workers=loader.workers,
        step_rate=step.rate,
        loader_over_step=result.rate / step.rate)
    command = {**steps.command, 'mode': 'dataloader'}
    return Report(command, steps.machine, [result], steps.matmul_rate)


def _unwrapped(dataset: Any) -> BaseDataset:
    """The data set inside wrappers."""
    while not hasattr(dataset, 'get_data_info'):
        dataset = dataset.dataset
    return dataset


def _files(dataset: BaseDataset, number: int) -> list[dict]:
    """What is known of the first samples; of fewer as often as needed."""
    return [
        dataset.get_data_info(index % len(dataset)) for index in range(number)
    ]


def _decode(info: dict, storage: dict | None) -> None:
    """All of an image, or every frame of a video in turn."""
    if 'img_path' in info:
        mmcv.imfrombytes(fileio.get(info['img_path'], storage))
        return
    with av.open(info['video_path']) as video:
        video.streams.video[0].codec_context.thread_count = 1
        for frame in video.decode(video=0):
            frame.to_ndarray(format='rgb24')


def transform_times(dataset: BaseDataset, images: int) -> dict[str, float]:
    """Processor seconds of each transform for the first samples.

    Args:
        dataset: Its pipeline is run.
        images: How many samples.

    Returns:
        By the name of the transform, longest first.
    """
    times: dict[str, float] = {}
    for info in _files(dataset, images):
        for transform in dataset.pipeline.transforms:
            start = time.process_time()
            info = transform(info)
            name = type(transform).__name__
            times[name] = times.get(name, 0.) + time.process_time() - start
    return dict(sorted(times.items(), key=lambda item: -item[1]))


def measure_decode(variant: Variant,
                   images: int,
                   iters: int,
                   warmup: int,
                   picture: str | None = None) -> Report:
    """The training pipeline against bare decoding of the same files.

    Both read, decode and so on in this process, on one thread, in turn. Of
    videos, all frames are decoded; a pipeline that takes a clip is faster.

    Args:
        variant: The config; its files must be there.
        images: Images or videos of a step.
        iters: Number of timed steps.
        warmup: Steps before.
        picture: File for a picture of the time of each transform.
    """
    cv2.setNumThreads(0)  # as in the workers of a loader
    torch.set_num_threads(1)
    cfg = variant.cfg
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    files = _files(_unwrapped(dataset), images)
    storage = storage_of(_unwrapped(dataset).pipeline.transforms)
    unit = 'images' if 'img_path' in files[0] else 'videos'

    def pipeline() -> None:
        for index in range(images):
            dataset[index % len(dataset)]

    def decode() -> None:
        for info in files:
            _decode(info, storage)

    times = take_turns([pipeline, decode], iters, warmup, torch.device('cpu'))
    if picture:
        draw(transform_times(_unwrapped(dataset), images), picture)
    results = [
        Result(name, unit, images, found)
        for name, found in zip(('pipeline', 'bare decoding'), times)
    ]
    command = dict(
        mode='decode', config=cfg.filename, images=images, iters=iters)
    return Report(command, describe(torch.device('cpu')), results)
