"""Make the embedded data set: drawn shapes as real image and video files.

    python tools/datasets/make_shapes.py data/shapes --size demo

writes class folders (``cls``), COCO instances (``det``), ADE-style label maps
(``seg``) and moving shapes (``video``). A second call with the same options
returns at once.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.shapes import PARTS, SIZES, Recipe, make_dataset, read_meta


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('out_dir', help='folder to make; new or empty')
    parser.add_argument('--size', choices=SIZES, default='smoke')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--parts',
        default=','.join(PARTS),
        help='what to make, separated by commas (default: %(default)s)')
    parser.add_argument(
        '--hard',
        action='store_true',
        help='small textured objects in clutter')
    parser.add_argument(
        '--jobs', type=int, help='processes (default: by cores and size)')
    parser.add_argument(
        '--force',
        action='store_true',
        help='replace a shapes data set made with other options')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Make the data set and say what is there; one line on an error."""
    args = parse_args(argv)
    try:
        recipe = Recipe(args.size, args.seed, tuple(args.parts.split(',')),
                        args.hard)
        made = make_dataset(args.out_dir, recipe, args.jobs, args.force)
    except (ValueError, OSError) as error:
        sys.exit(f'make_shapes: error: {error}')
    meta = read_meta(args.out_dir)
    assert meta is not None
    counts = '; '.join(f'{part} {splits["train"]} train, {splits["val"]} val'
                       for part, splits in meta['counts'].items())
    print(f'{args.out_dir}: {"made" if made else "complete already"} '
          f'(size {args.size}, seed {args.seed}, {meta["files"]} files: '
          f'{counts})')


if __name__ == '__main__':
    main()
