"""Draw what a detector or segmentor finds in its test images.

    python tools/visualization/predictions.py CONFIG CHECKPOINT

writes a sheet with the columns image, ground truth and prediction.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/visualization/, whose files hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.engine import launch  # noqa: E402
from projects.visualization.predictions import draw_predictions  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    launch.add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint of its training')
    parser.add_argument(
        '--out',
        default='predictions.png',
        help='PNG file to write (default: %(default)s)')
    parser.add_argument(
        '--num',
        type=int,
        default=6,
        help='images, spread over the test set (default: %(default)s)')
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='leave out detections of lower scores (default: %(default)s)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        names = draw_predictions(cfg, args.checkpoint, args.out, args.num,
                                 args.score_thr)
    except (ValueError, OSError) as error:
        sys.exit(f'predictions: error: {error}')
    print(f'{args.out}: {len(names)} images')


if __name__ == '__main__':
    main()
