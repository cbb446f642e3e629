"""Draw what a pretrained masked autoencoder makes of masked images.

    python tools/visualize_reconstruction.py CONFIG CHECKPOINT IMAGE_OR_FOLDER

writes a sheet with the columns original, masked, reconstruction, and
reconstruction with the visible patches.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.engine import launch  # noqa: E402
from projects.visualization import reconstruction  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    launch.add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint of its pretraining')
    parser.add_argument('images', help='image file, or folder of images')
    parser.add_argument(
        '--out',
        default='reconstructions.png',
        help='PNG file to write (default: %(default)s)')
    parser.add_argument(
        '--mask-ratio',
        type=float,
        nargs='+',
        default=[],
        help='shares of the patches to hide, a row for each (default: the '
        "config's)")
    parser.add_argument(
        '--num',
        type=int,
        default=8,
        help='images to take from a folder (default: %(default)s)')
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='chooses the hidden patches (default: %(default)s)')
    parser.add_argument(
        '--keep-size',
        action='store_true',
        help='do not resize and crop as in testing; only cut the sides to '
        'whole patches')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        rows = reconstruction.draw_reconstructions(cfg, args.checkpoint,
                                                   args.images, args.out,
                                                   args.mask_ratio, args.num,
                                                   args.seed, args.keep_size)
    except (ValueError, OSError) as error:
        sys.exit(f'visualize_reconstruction: error: {error}')
    print(f'{args.out}: {len(rows)} reconstructions')


if __name__ == '__main__':
    main()
