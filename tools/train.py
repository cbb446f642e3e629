"""Train a model of any of the toolboxes.

    python tools/train.py CONFIG [--work-dir DIR] [--resume [PATH]] ...
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.engine import launch  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments as in mmpretrain's, mmdet's and mmseg's ``train.py``."""
    parser = argparse.ArgumentParser(description='Train a model')
    launch.add_common_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='PATH',
        help='continue a training: from a checkpoint, from the newest one in '
        'a folder, or without a value from the newest one in the work dir')
    parser.add_argument(
        '--amp', action='store_true', help='train in mixed precision')
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='do not validate during training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the batch size')
    parser.add_argument(
        '--non-finite',
        choices=['stop', 'explain', 'skip'],
        default='stop',
        help='when a loss is NaN or infinite: stop; or go back to the last '
        'checkpoint, write the batch down, and name the cause (explain) or '
        'go on without that batch (skip)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Train."""
    args = parse_args(argv)
    cfg = launch.configure(args)
    if args.no_validate:
        launch.drop_validation(cfg)
    if args.amp:
        launch.use_amp(cfg)
    if args.resume is not None:
        launch.use_resume(cfg, args.resume)
    launch.use_restart(cfg)
    if args.auto_scale_lr:
        launch.use_auto_scale_lr(cfg)
    launch.train(cfg, args.non_finite)


if __name__ == '__main__':
    main()
