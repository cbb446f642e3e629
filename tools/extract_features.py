"""Write the features of a folder of images to a file.

    python tools/extract_features.py CONFIG CHECKPOINT IMAGES --out FILE.h5

Features are a backbone's last output, averaged over positions. FILE.npy holds
the array, FILE.txt beside it the image of each row; FILE.h5 holds both.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.deploy import features  # noqa: E402
from projects.engine import launch  # noqa: E402
from projects.visualization.reconstruction import find_images  # noqa: E402
from projects.zoo.models import build_model  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    launch.add_config_arguments(parser)
    parser.add_argument('checkpoint', help='path, address or zoo://NAME')
    parser.add_argument('images', help='folder of images, or one image')
    parser.add_argument('--out', required=True, help='.npy or .h5 file')
    parser.add_argument(
        '--stage',
        type=int,
        default=-1,
        help="which of the backbone's outputs (default: the last)")
    parser.add_argument(
        '--maps', action='store_true', help='do not average over positions')
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument(
        '--workers', type=int, default=0, help='processes that read images')
    parser.add_argument('--device', default='cpu')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Extract; one line on an error."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        paths = find_images(args.images, sys.maxsize)
        model = build_model(cfg, args.checkpoint, args.device)
        shape = features.extract(model, cfg, paths, args.out, args.stage,
                                 not args.maps, args.batch_size, args.workers)
    except (ValueError, OSError) as error:
        sys.exit(f'extract_features: error: {error}')
    print(f'{args.out}: {" x ".join(map(str, shape))}')


if __name__ == '__main__':
    main()
