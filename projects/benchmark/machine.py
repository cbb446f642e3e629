"""The machine that numbers belong to, and how fast it multiplies."""
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ('torch', 'mmengine', 'mmcv', 'mmpretrain', 'mmdetection',
            'mmsegmentation')
MATRIX = {'cpu': 1024, 'cuda': 8192}  # side of the matrices multiplied


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def describe(device: torch.device) -> dict[str, str | int]:
    """Processor, cores, threads, memory and versions; no names of hosts."""
    facts: dict[str, str | int] = dict(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        python=platform.python_version())
    if device.type == 'cuda':
        facts['gpu'] = torch.cuda.get_device_name(device)
        facts['cuda'] = str(torch.version.cuda)
        facts['cudnn'] = str(torch.backends.cudnn.version())
    for name in PACKAGES:
        for package in (name, f'onedl-{name}'):
            try:
                facts[name] = version(package)
            except PackageNotFoundError:
                continue
            break
    return facts


def _processor() -> str:
    """Name of the CPU, as the system gives it."""
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Multiply-accumulates a second of square matrix products: the best of
    five, after two to warm up."""
    side = MATRIX.get(device.type, MATRIX['cuda'])
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in '12')
    times = []
    for _ in range(7):
        synchronise(device)
        start = time.perf_counter()
        torch.mm(a, b)
        synchronise(device)
        times.append(time.perf_counter() - start)
    return side**3 / min(times[2:])
