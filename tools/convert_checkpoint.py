"""Convert a checkpoint between an official layout and ours.

python tools/convert_checkpoint.py convmae_base.pth ours.pth
python tools/convert_checkpoint.py ours.pth back.pth --to official \
    --kind pretrain
python tools/convert_checkpoint.py image.pth video.pth --inflate centre \
    --config configs/videoconvmae/...
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.common.conversion import convert_file  # noqa: E402
from projects.videoconvmae.inflate import MODES, inflate_file  # noqa: E402


def main() -> None:
    """Parse the command line, convert, print the report."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('source', help='checkpoint to read')
    parser.add_argument('target', help='file to write')
    parser.add_argument(
        '--kind',
        help='kind of the official checkpoint; recognised if left '
        'out, needed with --to official')
    parser.add_argument('--to', choices=['ours', 'official'], default='ours')
    parser.add_argument(
        '--config', help='check the result against the model of this config')
    parser.add_argument(
        '--inflate',
        choices=MODES,
        help="make an image ConvMAE's weights ones of the video model that "
        '--config names: kernels in the middle frame, or spread over all')
    args = parser.parse_args()
    if args.inflate and not args.config:
        parser.error('--inflate needs the --config of the video model')
    if args.inflate and (args.kind or args.to != 'ours'):
        parser.error('--inflate recognises the kind and writes our names: '
                     'leave --kind and --to out')
    try:
        if args.inflate:
            print(
                inflate_file(args.source, args.target, args.config,
                             args.inflate))
            return
        del args.inflate
        print(convert_file(**vars(args)))
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
