"""Print the parameters and multiply-accumulates of a config's model.

    python tools/analysis/complexity.py CONFIG [--shape H W] [--json FILE]
    python tools/analysis/complexity.py CONFIG --images ANNOTATIONS
    python tools/analysis/complexity.py CONFIG --vary KEY VALUES [--plot FILE]

No data and no checkpoint are needed. See docs/complexity.md for what counts.
"""
import argparse
import json
import sys
from pathlib import Path

import yaml
from mmengine.config import Config

# the repository in place of tools/analysis/, whose files would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.analysis import complexity_varied  # noqa: E402
from projects.analysis.complexity import measure  # noqa: E402
from projects.analysis.complexity_mean import image_shapes  # noqa: E402
from projects.analysis.complexity_mean import measure_mean
from projects.engine import launch  # noqa: E402
from projects.engine.config_check import check_options  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description='Parameters and multiply-accumulates of a model')
    launch.add_config_arguments(parser)
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        '--shape',
        type=int,
        nargs='+',
        metavar='N',
        help='H W of an image in pixels, T H W of a clip; by default what the '
        'config is for')
    size.add_argument(
        '--images',
        metavar='FILE',
        help='a COCO annotation file: mean over its first images, at the '
        'sizes at which the detector is tested')
    parser.add_argument(
        '--num-images',
        type=int,
        default=100,
        help='number of those images (default: 100)')
    parser.add_argument(
        '--vary',
        nargs='+',
        metavar=('KEY', 'VALUE'),
        help='a table over several values of a setting of the config, such '
        'as model.backbone.test_sample_ratio 0.5 1.0')
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='also draw that table')
    parser.add_argument(
        '--json', metavar='FILE', help='also write the numbers to a file')
    return parser.parse_args(argv)


def vary(cfg: Config, args: argparse.Namespace,
         shape: tuple[int, int] | None) -> None:
    """Print, and draw, the costs for several values of a setting.

    Raises:
        ValueError: If there is no value, or no such setting.
    """
    key, *texts = args.vary
    if not texts or args.images:
        raise ValueError(f'--vary {key} needs values, and does not go with '
                         '--images')
    values = [yaml.safe_load(text) for text in texts]
    for value in values:
        check_options(cfg, {key: value})
    results = complexity_varied.measure_varied(cfg, key, values, shape)
    print(complexity_varied.format_varied(key, results))
    if args.plot:
        complexity_varied.draw_varied(key, results, args.plot)


def main(argv: list[str] | None = None) -> None:
    """Count and print; one line on an error."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        shape = tuple(args.shape) if args.shape else None
        if args.vary:
            vary(cfg, args, shape)
            return
        if args.images:
            shapes = image_shapes(args.images, args.num_images)
            result = measure_mean(cfg, shapes)
        else:
            result = measure(cfg, shape)
        print(result)
        if args.json:
            numbers = dict(config=args.config, **result.as_dict())
            Path(args.json).write_text(json.dumps(numbers, indent=2) + '\n')
    except (ValueError, OSError) as error:
        sys.exit(f'complexity: error: {error}')


if __name__ == '__main__':
    main()
