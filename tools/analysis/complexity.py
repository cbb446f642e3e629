"""Print the parameters and multiply-accumulates of a config's model.

    python tools/analysis/complexity.py CONFIG [--shape H W] [--json FILE]

No data and no checkpoint are needed. See docs/complexity.md for what counts.
"""
import argparse
import json
import sys
from pathlib import Path

# the repository in place of tools/analysis/, whose files would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.analysis.complexity import measure  # noqa: E402
from projects.engine import launch  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description='Parameters and multiply-accumulates of a model')
    launch.add_config_arguments(parser)
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        metavar='N',
        help='H W of an image in pixels, T H W of a clip; by default what the '
        'config is for')
    parser.add_argument(
        '--json', metavar='FILE', help='also write the numbers to a file')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Count and print; one line on an error."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        result = measure(cfg, tuple(args.shape) if args.shape else None)
        print(result)
        if args.json:
            numbers = dict(config=args.config, **result.as_dict())
            Path(args.json).write_text(json.dumps(numbers, indent=2) + '\n')
    except (ValueError, OSError) as error:
        sys.exit(f'complexity: error: {error}')


if __name__ == '__main__':
    main()
