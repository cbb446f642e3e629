"""Draw the curves of training runs.

    python tools/analysis/analyze_logs.py RUN [RUN ...] --keys loss --out FILE

RUN is a work directory, whose resumed parts are joined, or a log file.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.analysis.curves import draw_curves  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('runs', nargs='+', help='work directories or logs')
    parser.add_argument(
        '--keys',
        nargs='+',
        default=['loss'],
        help='what to draw, a panel each (default: loss)')
    parser.add_argument(
        '--out',
        default='curves.png',
        help='picture to write (default: %(default)s)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw."""
    args = parse_args(argv)
    try:
        draw_curves(args.runs, args.keys, args.out)
    except (ValueError, OSError) as error:
        sys.exit(f'analyze_logs: error: {error}')
    print(f'{args.out}: {", ".join(args.keys)} of {len(args.runs)} runs')


if __name__ == '__main__':
    main()
