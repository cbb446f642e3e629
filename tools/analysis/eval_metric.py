"""Print the metrics of saved predictions, without running the model.

    python tools/test.py CONFIG CHECKPOINT --out FILE.pkl
    python tools/analysis/eval_metric.py CONFIG FILE.pkl [--cfg-options ...]

Segmentation saves label maps: give a folder in place of the file.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/analysis/, whose files would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[2])

from projects.analysis.offline import evaluate_file  # noqa: E402
from projects.engine import launch  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description='Metrics of a result file')
    launch.add_config_arguments(parser)
    parser.add_argument('predictions', help='what tools/test.py --out wrote')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Evaluate and print; one line on an error."""
    args = parse_args(argv)
    try:
        cfg = launch.load_config(args.config, args.cfg_options)
        metrics = evaluate_file(cfg, args.predictions)
    except (ValueError, OSError) as error:
        sys.exit(f'eval_metric: error: {error}')
    for name, value in metrics.items():
        print(f'{name}: {value}')


if __name__ == '__main__':
    main()
