"""Measure on photographs: pretrain, evaluate, compare with random weights.

    python tools/photographs.py LADDER [LADDER ...] [--size cpu|gpu]
        [--data FOLDER] [--seeds 0 1 2] [--report]

Everything runs through tools/train.py and tools/test.py; their commands are
in the logs. What was interrupted continues, and what several ladders need runs
once. docs/datasets.md tells how to get the data.
"""
import argparse
import json
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.demo.plan import Settings, claim  # noqa: E402
from projects.demo.steps import StepError, run_steps  # noqa: E402
from projects.engine.checkpoint_io import write_text  # noqa: E402
from projects.photographs.folders import check_folders  # noqa: E402
from projects.photographs.ladders import FOLDERS, LADDERS, SIZES  # noqa: E402
from projects.photographs.measurement import DATA, Measurement  # noqa: E402
from projects.photographs.summary import format_lines  # noqa: E402
from projects.photographs.summary import summarize

ROOT = 'work_dirs/photographs'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('ladders', nargs='+', choices=LADDERS)
    parser.add_argument('--size', choices=SIZES, default='cpu')
    parser.add_argument(
        '--data',
        default=DATA,
        help='folder of the data sets (default: %(default)s)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument(
        '--pretrain-seed',
        type=int,
        metavar='SEED',
        help='evaluate the pretrainings of this seed with all --seeds')
    parser.add_argument(
        '--steps',
        nargs='+',
        metavar='WORD',
        help='run only steps whose name has one of these words in it')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='show every step, in a few iterations each')
    parser.add_argument(
        '--report',
        action='store_true',
        help='only print the table of what was measured before')
    parser.add_argument(
        '--out', default=ROOT, help='folder (default: %(default)s)')
    return parser.parse_args(argv)


def open_run(args: argparse.Namespace, seed: int,
             source: Measurement | None) -> Measurement:
    """The plan of one seed, in its folder."""
    kind = f'{args.size}-quick' if args.quick else args.size
    of_source = f'-pretrain{source.settings.seed}' if source else ''
    out = Path(args.out).resolve() / f'{kind}-seed{seed}{of_source}'
    settings = Settings(args.size, str(Path(args.data).resolve()), args.quick,
                        seed)
    claim(out, settings)
    run = Measurement(settings, out, source)
    for ladder in args.ladders:
        LADDERS[ladder](run, SIZES[args.size])
    return run


def measure(args: argparse.Namespace) -> None:
    """Plan for every seed, run what is left to do, print the table."""
    data = Path(args.data).resolve()
    if not args.report:
        check_folders(
            data,
            sorted(
                {name
                 for ladder in args.ladders
                 for name in FOLDERS[ladder]}))
    root = Path(args.out).resolve()
    first, source = args.pretrain_seed, None
    runs = []
    seeds = args.seeds if first is None else [first, *args.seeds]
    for seed in dict.fromkeys(seeds):
        runs.append(open_run(args, seed, source))
        source = None if first is None else runs[0]
    for run in [] if args.report else runs:
        print(f'seed {run.settings.seed}, results in {run.out}', flush=True)
        run_steps([
            step for step in run.steps
            if not args.steps or any(word in step.name for word in args.steps)
        ], run.out / 'steps')
    lines = summarize(runs)
    name = f'{args.size}_{"_".join(args.ladders)}'
    write_text(
        str(root / f'{name}.json'),
        json.dumps([line._asdict() for line in lines], indent=2) + '\n')
    table = format_lines(lines)
    write_text(str(root / f'{name}.md'), table + '\n')
    print(f'\n{table}')


def main(argv: list[str] | None = None) -> None:
    """Measure."""
    args = parse_args(argv)
    try:
        measure(args)
    except (StepError, ValueError, OSError) as error:
        sys.exit(f'photographs: error: {error}')
    except KeyboardInterrupt:
        sys.exit('\nphotographs: interrupted; the same command continues')


if __name__ == '__main__':
    main()
