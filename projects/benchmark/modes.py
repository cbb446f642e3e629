"""From arguments to a report."""
import argparse

import torch

from .compare import STEPS, measure_steps
from .data import measure_decode, measure_loader
from .report import Report
from .scaling import measure_scaling
from .variants import Setting, parse_variants

MODES = (*STEPS, 'dataloader', 'decode', 'scaling')
PROFILED = (*STEPS, 'decode')
DECODED = 32  # images of a step of 'decode', unless --batch says


def run(args: argparse.Namespace) -> Report:
    """Measure what the command line asks for.

    Raises:
        ValueError: If an argument makes no sense.
    """
    for name, least in (('batch', 1), ('iters', 1), ('warmup', 0), ('threads',
                                                                    1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise ValueError(f'--{name} is {value}; it must be at least '
                             f'{least}')
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        raise ValueError(f'--device {args.device}: there is no CUDA device')
    if args.threads:
        torch.set_num_threads(args.threads)
    setting = Setting(
        torch.device(args.device), args.batch,
        tuple(args.shape) if args.shape else None, args.part, args.amp,
        args.compile)
    if args.mode == 'attention' and not args.against:
        args.against = ['explicit-attention']
    if args.mode not in STEPS and args.against:
        raise ValueError(f'--against is for {", ".join(STEPS)}; {args.mode} '
                         'has its own comparison')
    if args.mode not in PROFILED and args.profile:
        raise ValueError(f'--profile is for {", ".join(PROFILED)}')
    variants = parse_variants(args.config, args.cfg_options, args.against,
                              setting)
    times = args.iters, args.warmup
    if args.mode == 'dataloader':
        return measure_loader(variants[0], setting, *times)
    if args.mode == 'decode':
        return measure_decode(variants[0], args.batch or DECODED, *times,
                              args.profile)
    if args.mode == 'scaling':
        return measure_scaling(variants[0], setting, args.processes, *times)
    return measure_steps(args.mode, variants, setting, *times, args.profile)
