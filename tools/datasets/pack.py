"""Pack a folder of images into an LMDB database, or check one.

    python tools/datasets/pack.py FOLDER OUT.lmdb

The same command continues after a kill and skips what is there. Beside the
images, OUT.lmdb/ann_file.txt lists them for a data set. With --check every
stored image is compared with its SHA-256 and decoded, and missing ones are
named; the status is 1 if something is wrong.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.engine import packing  # noqa: E402

SHOWN = 20


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', help='images, in class folders or any tree')
    parser.add_argument('out', help='folder of the database')
    parser.add_argument(
        '--ann-file',
        help='pack the images of this list only, "path" or "path label" in '
        'each line (default: all below the folder)')
    parser.add_argument(
        '--check',
        action='store_true',
        help='examine the database; the folder may be gone')
    parser.add_argument(
        '--jobs', type=int, default=8, help='threads that read (default: 8)')
    args = parser.parse_args(argv)
    if args.jobs < 1:
        parser.error(f'--jobs is {args.jobs}; it must be positive')
    return args


def pack(args: argparse.Namespace) -> None:
    """Pack, and say what is there."""
    images = packing.list_images(args.folder, args.ann_file)
    added = packing.pack(images, args.out, args.jobs)
    total = len(images.labels)
    classes = f', {len(images.classes)} classes' if images.classes else ''
    print(f'{args.out}: {total} images{classes} ({added} packed now, '
          f'{total - added} before); listed in {args.out}/{packing.LISTING}')


def check(args: argparse.Namespace) -> None:
    """Examine; ends with status 1 if something is wrong."""
    expected = {}
    if Path(args.folder).exists():
        expected = packing.list_images(args.folder, args.ann_file).labels
    else:
        print(f'{args.folder} does not exist: compared with the listing only')
    problems = list(packing.examine(args.out, expected, args.jobs))
    for problem in problems[:SHOWN]:
        print(problem)
    if len(problems) > SHOWN:
        print(f'... and {len(problems) - SHOWN} more')
    print(f'{args.out}: ' + (f'{len(problems)} problems' if problems else
                             'every image is there, whole and decodable'))
    sys.exit(int(bool(problems)))


def main(argv: list[str] | None = None) -> None:
    """Pack or check; one line on an error."""
    args = parse_args(argv)
    try:
        (check if args.check else pack)(args)
    except (ValueError, OSError) as error:
        sys.exit(f'pack: error: {error}')


if __name__ == '__main__':
    main()
