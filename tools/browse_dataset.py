"""Draw what a config's data pipeline hands to the model.

    python tools/browse_dataset.py CONFIG --out DIR [--phase train] ...
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.engine import launch  # noqa: E402
from projects.engine.browse import draw_samples  # noqa: E402


def main(argv: list[str] | None = None) -> None:
    """Draw, and say where."""
    parser = argparse.ArgumentParser(description='Draw a data set')
    launch.add_config_arguments(parser)
    parser.add_argument('--out', required=True, help='folder for pictures')
    parser.add_argument(
        '--phase', choices=['train', 'val', 'test'], default='train')
    parser.add_argument(
        '--number', type=int, default=16, help='how many samples')
    parser.add_argument(
        '--seed', type=int, default=0, help='of the random transforms')
    args = parser.parse_args(argv)
    cfg = launch.load_config(args.config, args.cfg_options)
    files = draw_samples(cfg, args.phase, args.number, args.out, args.seed)
    print(f'{len(files) - 1} pictures, all of them in {files[-1]}')


if __name__ == '__main__':
    main()
