"""Test a checkpoint of any of the toolboxes.

    python tools/test.py CONFIG CHECKPOINT [--out FILE] [--show-dir DIR] ...
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

import mmengine  # noqa: E402

from projects.engine import launch  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments as in mmpretrain's, mmdet's and mmseg's ``test.py``."""
    parser = argparse.ArgumentParser(description='Test a model')
    launch.add_common_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out',
        help='save predictions: a .pkl file, or a folder for segmentation; '
        'a .json file saves the metrics')
    parser.add_argument(
        '--show', action='store_true', help='show predictions in a window')
    parser.add_argument('--show-dir', help='folder to draw predictions in')
    parser.add_argument(
        '--interval', type=int, default=1, help='draw every n-th image')
    parser.add_argument(
        '--wait-time', type=float, default=2, help='seconds per window')
    parser.add_argument(
        '--tta', action='store_true', help='test-time augmentation')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict:
    """Test.

    Returns:
        The metrics.
    """
    args = parse_args(argv)
    cfg = launch.configure(args)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.show or args.show_dir:
        launch.use_visualization(cfg, args)
    if args.tta:
        launch.use_tta(cfg)
    saves_metrics = args.out is not None and args.out.endswith('.json')
    if args.out is not None and not saves_metrics:
        launch.use_output(cfg, args.out)
    metrics = launch.build_runner(cfg).test()
    if saves_metrics:
        mmengine.dump(metrics, args.out)
    return metrics


if __name__ == '__main__':
    main()
