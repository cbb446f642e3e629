"""Print the tables of docs/scaling.md: memory, communication, step times.

    python tools/analysis/scaling.py [--images N] [--gpus N ...]

Computed from counts and named assumptions; nothing is measured.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/analysis/, whose files would hide packages
ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from projects.analysis import scaling  # noqa: E402
from projects.engine import launch  # noqa: E402

CONFIGS = ROOT / 'configs/convmae/pretrain'
SIZES = {
    'S': 'convmae_small-no-msd_8xb256-amp-coslr-800e_in1k.py',
    'B': 'convmae_base_8xb256-amp-coslr-1600e_in1k.py',
    'B*': 'convmae_base-star-no-msd_8xb256-amp-coslr-800e_in1k.py',
    'L': 'convmae_large-no-msd_8xb256-amp-coslr-800e_in1k.py',
    'H': 'convmae_huge-no-msd_8xb256-amp-coslr-800e_in1k.py',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--images',
        type=int,
        default=256,
        help='images of a GPU in the memory table (default: %(default)s)')
    parser.add_argument(
        '--batch',
        type=int,
        default=2048,
        help='images of all GPUs in step times (default: %(default)s)')
    parser.add_argument(
        '--gpus',
        type=int,
        nargs='+',
        default=[8, 16, 32, 64, 128, 256, 512, 1024],
        help='numbers of GPUs of the step times')
    parser.add_argument(
        '--utilisation',
        type=float,
        default=scaling.Machine.utilisation,
        help='share of the peak that a step reaches (default: %(default)s)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Count and print."""
    args = parse_args(argv)
    sizes = {
        name: scaling.Footprint(launch.load_config(str(CONFIGS / file), {}))
        for name, file in SIZES.items()
    }
    machine = scaling.Machine(utilisation=args.utilisation)
    print(scaling.count_table(sizes, args.gpus[0]), end='\n\n')
    print(scaling.memory_table(sizes, args.images), end='\n\n')
    for grows in (True, False):
        print(
            scaling.time_table(sizes, args.gpus, args.batch, grows, machine),
            end='\n\n')


if __name__ == '__main__':
    main()
