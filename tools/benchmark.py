"""Measure speed and memory, alone or against another variant.

    python tools/benchmark.py train-step CONFIG [--against dense] [--batch 8]
    python tools/benchmark.py {inference,dataloader,decode,attention} CONFIG
    python tools/benchmark.py scaling CONFIG [--processes 1 2]

``--against`` takes another config, switches (explicit-attention, dense,
plain-mlp, original) and KEY=VALUE, in any combination: both variants run in
turn in one process, and the ratio is that of each round. docs/benchmarks.md
explains every figure.
"""
import argparse
import json
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402

from projects.benchmark.modes import MODES, run  # noqa: E402
from projects.engine import launch  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description='Measure speed and memory')
    parser.add_argument('mode', choices=MODES, help='what is measured')
    launch.add_config_arguments(parser)
    parser.add_argument(
        '--against',
        nargs='+',
        default=[],
        metavar='WORD',
        help='compare with another config (.py), a switch, or KEY=VALUE')
    parser.add_argument(
        '--part',
        choices=['backbone'],
        help='only this part of the model, forward and backward')
    parser.add_argument(
        '--batch', type=int, help="images of a step; the config's by default")
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        metavar='PIXELS',
        help='height and width of images; what the config is for by default')
    parser.add_argument(
        '--iters', type=int, default=10, help='timed steps of each variant')
    parser.add_argument(
        '--warmup', type=int, default=2, help='steps before those')
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision, not float32')
    parser.add_argument(
        '--compile', action='store_true', help='torch.compile the model')
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='where models run')
    parser.add_argument(
        '--processes',
        type=int,
        nargs='+',
        default=[1, 2],
        help='numbers of processes that scaling compares')
    parser.add_argument('--threads', type=int, help='threads of the processor')
    parser.add_argument(
        '--profile',
        metavar='PNG',
        help='draw there which operations, or transforms, take the time')
    parser.add_argument('--json', metavar='FILE', help='write numbers there')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure and print; one line on an error."""
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('ERROR')
    try:
        report = run(args)
        print(report)
        if args.json:
            numbers = json.dumps(report.as_dict(), indent=2)
            Path(args.json).write_text(numbers + '\n')
    except (ValueError, OSError) as error:
        sys.exit(f'benchmark: error: {error}')


if __name__ == '__main__':
    main()
