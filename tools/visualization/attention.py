"""Draw what query points of an image attend to in the last block.

    python tools/visualization/attention.py CONFIG CHECKPOINT IMAGE \
        --points 40,60 100,32 --out attention.png

writes the image with coloured points, then a map with a border of its point's
colour for each: the softmax weights of the last block, averaged over heads.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of this folder, whose files would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.engine import launch  # noqa: E402
from projects.visualization import attention  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    launch.add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint with its backbone')
    parser.add_argument('image', help='image file')
    parser.add_argument(
        '--points',
        nargs='+',
        default=[],
        metavar='X,Y',
        help='queries in pixels of the image (default: four)')
    parser.add_argument(
        '--out',
        default='attention.png',
        help='PNG file to write (default: %(default)s)')
    parser.add_argument(
        '--size',
        type=int,
        default=224,
        help='shorter side of what the model sees, in pixels; sides are '
        f'rounded to multiples of {attention.STEP} (default: %(default)s)')
    parser.add_argument(
        '--prefix',
        default='backbone.',
        help="start of the backbone's names in the checkpoint "
        '(default: %(default)s); target_net.module.0. is the teacher of '
        'ExtreMA')
    parser.add_argument(
        '--class-layer',
        type=int,
        default=-1,
        help='ExtreMA: class-attention layer of the class token (default: '
        'the last)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        maps = attention.draw_attention(cfg, args.checkpoint, args.image,
                                        args.out,
                                        attention.parse_points(args.points),
                                        args.size, args.prefix,
                                        args.class_layer)
    except (ValueError, OSError) as error:
        sys.exit(f'attention: error: {error}')
    print(f'{args.out}: {len(maps.points)} queries')


if __name__ == '__main__':
    main()
