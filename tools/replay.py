"""Repeat the training step that made a loss NaN or infinite.

python tools/replay.py CONFIG work_dirs/.../non_finite_iter_N.pth
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.engine import launch  # noqa: E402
from projects.engine.replay import replay_file  # noqa: E402


def main(argv: list[str] | None = None) -> None:
    """Replay and print what is not finite."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    launch.add_config_arguments(parser)
    parser.add_argument('bundle', help='what --non-finite has written')
    args = parser.parse_args(argv)
    cfg = launch.load_config(args.config, args.cfg_options)
    try:
        print(replay_file(cfg, args.bundle))
    except (ValueError, OSError) as error:
        sys.exit(f'replay: error: {error}')


if __name__ == '__main__':
    main()
