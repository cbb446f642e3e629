"""Export a model to ONNX or torch.export, and check what the file computes.

    python tools/export.py CONFIG CHECKPOINT --out FILE.onnx
    python tools/export.py CONFIG CHECKPOINT --part backbone --out FILE.pt2

The number of images is free, their size is the config's or --shape.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.analysis.complexity import default_shape  # noqa: E402
from projects.deploy import export  # noqa: E402
from projects.engine import launch  # noqa: E402
from projects.zoo.models import build_model  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    launch.add_config_arguments(parser)
    parser.add_argument('checkpoint', help='path, address or zoo://NAME')
    parser.add_argument('--out', required=True, help='.onnx or .pt2 file')
    parser.add_argument(
        '--part',
        choices=export.PARTS,
        default='model',
        help='scores of a classifier, or feature maps of any backbone '
        '(default: %(default)s)')
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help='image size in pixels; by default the one the config is for')
    parser.add_argument(
        '--channels', type=int, default=3, help='of the images')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Export; one line on an error."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        shape = tuple(args.shape) if args.shape else default_shape(cfg)
        model = build_model(cfg, args.checkpoint)
        difference = export.export(model, args.out, shape, args.part,
                                   args.channels)
    except (ValueError, OSError) as error:
        sys.exit(f'export: error: {error}')
    size = ' x '.join(map(str, shape))
    print(f'{args.out}: inputs of {size} in any number; '
          f'outputs differ by at most {difference:.1e}')


if __name__ == '__main__':
    main()
