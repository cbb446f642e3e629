"""Print a config with everything it inherits.

    python tools/print_config.py CONFIG [--cfg-options KEY=VALUE ...]
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.engine import launch  # noqa: E402


def main(argv: list[str] | None = None) -> None:
    """Print, and save if asked to."""
    parser = argparse.ArgumentParser(description='Print a whole config')
    launch.add_config_arguments(parser)
    parser.add_argument('--save-path', help='also write it to this file')
    args = parser.parse_args(argv)
    cfg = launch.load_config(args.config, args.cfg_options)
    print(cfg.pretty_text)
    if args.save_path is not None:
        cfg.dump(args.save_path)


if __name__ == '__main__':
    main()
