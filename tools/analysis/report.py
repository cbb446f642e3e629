"""Write one HTML page about a work folder, to read without a network.

    python tools/analysis/report.py WORK_DIR [--out report.html]

Curves, metrics, pictures, config and environment of the run in WORK_DIR, and
of all runs in the folders inside of it.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/analysis/, whose files would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.analysis.html_report import write_report  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'work_dir', type=Path, help='folder of a run or of several')
    parser.add_argument(
        '--out', type=Path, help='page to write (default: report.html there)')
    parser.add_argument(
        '--max-pictures',
        type=int,
        default=40,
        help='more are only listed (default: %(default)s)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Write the page; one line on an error."""
    args = parse_args(argv)
    out = args.out or args.work_dir / 'report.html'
    try:
        runs = write_report(args.work_dir, out, args.max_pictures)
    except (ValueError, OSError) as error:
        sys.exit(f'report: error: {error}')
    print(f'{out}: {runs} run{"" if runs == 1 else "s"}, '
          f'{out.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
