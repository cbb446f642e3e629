"""Examine all files of a config's data before a long run.

    python tools/datasets/check.py CONFIG [--out REPORT.json] [--jobs N]

Ends with status 1 if a file is missing, unreadable or mis-sized.
"""
import argparse
import json
import os
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.engine import launch  # noqa: E402
from projects.engine.checkpoint_io import write_text  # noqa: E402
from projects.engine.dataset_report import examine  # noqa: E402


def main(argv: list[str] | None = None) -> None:
    """Examine, print the report, write it whole."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    launch.add_config_arguments(parser)
    parser.add_argument('--out', help='file for the whole report')
    parser.add_argument(
        '--jobs',
        type=int,
        default=os.cpu_count(),
        help='processes that read (default: one a core)')
    args = parser.parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        reports = examine(cfg, args.jobs)
    except (ValueError, OSError) as error:
        sys.exit(f'check: error: {error}')
    bad = False
    for phase, report in reports.items():
        print(f'\n{phase}: ' + '\n'.join(report.lines()))
        bad |= any(
            item.kind not in ('duplicate', 'unused')
            for item in report.findings)
    if args.out:
        content = {
            phase: {
                **vars(report), 'findings':
                [item._asdict() for item in report.findings]
            }
            for phase, report in reports.items()
        }
        write_text(args.out, json.dumps(content, indent=2) + '\n')
    sys.exit(int(bad))


if __name__ == '__main__':
    main()
