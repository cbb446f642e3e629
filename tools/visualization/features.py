"""Draw channels of the feature maps of a backbone and its pyramid.

    python tools/visualization/features.py CONFIG CHECKPOINT IMAGE \
        --level 0 --out features.png

writes a row for the backbone and, with a detector or segmentor, one for its
neck: the image and the channels that vary most over it.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of this folder, whose files would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.engine import launch  # noqa: E402
from projects.visualization import features  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    launch.add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint of the model')
    parser.add_argument('image', help='image file')
    parser.add_argument(
        '--level',
        type=int,
        default=0,
        help='which of the maps, the finest first (default: %(default)s)')
    parser.add_argument(
        '--num',
        type=int,
        default=4,
        help='number of channels (default: %(default)s)')
    parser.add_argument(
        '--size',
        type=int,
        default=512,
        help='shorter side of what the model sees, in pixels '
        '(default: %(default)s)')
    parser.add_argument(
        '--prefix',
        default='backbone.',
        help="start of the backbone's names in the checkpoint "
        '(default: %(default)s)')
    parser.add_argument(
        '--out',
        default='features.png',
        help='PNG file to write (default: %(default)s)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        maps = features.draw_features(cfg, args.checkpoint, args.image,
                                      args.out, args.level, args.num,
                                      args.size, args.prefix)
    except (ValueError, OSError) as error:
        sys.exit(f'features: error: {error}')
    print(f'{args.out}: {", ".join(maps)}')


if __name__ == '__main__':
    main()
