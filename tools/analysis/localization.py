"""Measure how well an encoder finds an object again in another image.

    python tools/analysis/localization.py CONFIG CHECKPOINT \
        --ann-file data/coco/annotations/instances_val2017.json \
        --img-dir data/coco/val2017

Works on any COCO instance file. The protocol is ours, see
projects/analysis/box_pairs.py and the metric in localization.py beside it.
"""
import argparse
import json
import sys
from pathlib import Path

# the repository in place of tools/analysis/, whose files would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.analysis.box_pairs import BoxPairs  # noqa: E402
from projects.analysis.localization import evaluate_localization  # noqa: E402
from projects.engine import launch  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    launch.add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint with its backbone')
    parser.add_argument(
        '--ann-file', required=True, help='COCO instance annotations')
    parser.add_argument('--img-dir', required=True, help='their images')
    for name, default, text in (
        ('--pairs', 5, 'pairs of images for each class'),
        ('--candidates', 100, 'random boxes in the image that is searched'),
        ('--min-side', 32, 'smaller objects are left out, in pixels'),
        ('--size', 224, 'side of the crops that are encoded, in pixels'),
        ('--batch-size', 64,
         'crops that are encoded together'), ('--seed', 0,
                                              'of pairs and boxes')):
        parser.add_argument(
            name, type=int, default=default, help=f'{text} (%(default)s)')
    parser.add_argument(
        '--prefix',
        default='backbone.',
        help="start of the backbone's names in the checkpoint (%(default)s); "
        'target_net.module.0. is the teacher of ExtreMA')
    parser.add_argument(
        '--json', metavar='FILE', help='also write the numbers to a file')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure and print; one line on an error."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        pairs = BoxPairs(args.ann_file, args.img_dir, args.pairs,
                         args.candidates, args.min_side, args.size, args.seed)
        metrics = evaluate_localization(
            cfg,
            args.checkpoint,
            pairs,
            args.prefix,
            args.batch_size,
            progress=sys.stdout.isatty())
        if args.json:
            Path(args.json).write_text(json.dumps(metrics, indent=2) + '\n')
    except (ValueError, OSError) as error:
        sys.exit(f'localization: error: {error}')
    for name, value in metrics.items():
        print(f'{name}: {value:.2f}')
    print(f'pairs: {len(pairs)}')


if __name__ == '__main__':
    main()
