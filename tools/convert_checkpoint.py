"""Convert a checkpoint between an official layout, ours and others.

    python tools/convert_checkpoint.py convmae_base.pth ours.pth
    python tools/convert_checkpoint.py ours.pth back.pth --to official
    python tools/convert_checkpoint.py mae.pth vit.safetensors --to timm
    python tools/convert_checkpoint.py image.pth video.pth --inflate centre \
        --config configs/videoconvmae/...
    python tools/convert_checkpoint.py work_dirs/mine/epoch_800.pth/ plain.pth

The kind of a checkpoint is recognised. Files end in .pth or .safetensors.
The folder of a sharded training's checkpoint becomes one plain file.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.common import conversion  # noqa: E402
from projects.videoconvmae.inflate import MODES, inflate_file  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help='checkpoint to read')
    parser.add_argument('target', help='file to write')
    parser.add_argument(
        '--kind', help='kind of the checkpoint; needed only where several fit')
    parser.add_argument(
        '--to',
        choices=conversion.LAYOUTS,
        default='ours',
        help='layout to write (default: %(default)s); timm and mmpretrain '
        'take backbones that they have, too')
    parser.add_argument(
        '--config',
        help='check our side against the model of this config, and note its '
        'classes')
    parser.add_argument(
        '--inflate',
        choices=MODES,
        help="make an image ConvMAE's weights ones of the video model that "
        '--config names: kernels in the middle frame, or spread over all')
    parser.add_argument('--report', help="text file for every name's fate")
    parser.add_argument(
        '--verbose', action='store_true', help="print every name's fate")
    parser.add_argument(
        '--trust',
        action='store_true',
        help='read a file that is refused because it holds more than '
        'tensors; runs code from it')
    args = parser.parse_args(argv)
    if args.inflate and not args.config:
        parser.error('--inflate needs the --config of the video model')
    if args.inflate and (args.kind or args.to != 'ours'):
        parser.error('--inflate recognises the kind and writes our names: '
                     'leave --kind and --to out')
    return args


def main(argv: list[str] | None = None) -> None:
    """Convert, print the report; one line on an error."""
    args = vars(parse_args(argv))
    verbose, mode = args.pop('verbose'), args.pop('inflate')
    try:
        if mode:
            print(
                inflate_file(args['source'], args['target'], args['config'],
                             mode))
            return
        if Path(args['source']).is_dir() and args['to'] == 'ours':
            print(
                conversion.join_folder(args['source'], args['target'],
                                       args['config']))
            return
        report = conversion.convert_file(**args)
    except (ValueError, OSError) as error:
        sys.exit(f'convert_checkpoint: error: {error}')
    print(report if verbose else report.summary())


if __name__ == '__main__':
    main()
