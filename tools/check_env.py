"""Check this Python environment: name what is wrong, and its remedy.

Run     python tools/check_env.py [--quick] [--json]
Exit    0 if everything needed works, 1 if something fails

Only the standard library is used, so it runs before anything is installed.
The versions it compares with are those of ``requirements/*.txt``, the Python
range of ``setup.cfg``, and the limits that the toolboxes state themselves.
"""
from __future__ import annotations

import argparse
import faulthandler
import json
import sys
from pathlib import Path
from typing import Iterator

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.environment import FAIL, LIVE, STATIC, Finding, check_python

WIDTH = len('import mmpretrain.models')


def run_checks(quick: bool = False) -> Iterator[Finding]:
    """The findings, one by one; a wrong Python hides the rest.

    Args:
        quick: Only look at what is installed, without importing it.
    """
    for finding in check_python():
        yield finding
        if finding.status == FAIL:
            return
    for check in STATIC if quick else STATIC + LIVE:
        yield from check()


def describe(finding: Finding) -> str:
    """One line, and the remedy on a second one."""
    line = f'{finding.status:4}  {finding.item:{WIDTH}}  {finding.found}'
    if finding.remedy:
        line += f'\n{"":4}  {"":{WIDTH}}  -> {finding.remedy}'
    return line.rstrip()


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Name what is wrong with this Python environment, and '
        'its remedy. Exits with 1 if something fails.')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='look at what is installed, import nothing')
    parser.add_argument(
        '--json', action='store_true', help='print the findings as JSON')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Check, print, and return the exit status."""
    args = parse_args(argv)
    faulthandler.enable()  # a wrong build may crash instead of raising
    findings = []
    for finding in run_checks(args.quick):
        findings.append(finding)
        if not args.json:
            print(describe(finding), flush=True)
    failed = [finding.item for finding in findings if finding.status == FAIL]
    if args.json:
        rows = [finding._asdict() for finding in findings]
        print(json.dumps(dict(ok=not failed, findings=rows), indent=2))
    elif failed:
        print(f'\n{len(failed)} failed: {", ".join(failed)}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
