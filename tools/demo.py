"""Pretrain, evaluate and draw on embedded or own images, in minutes.

    python tools/demo.py [--quick] [--data FOLDER]

Everything runs through the other tools; their commands are in the logs. A
demonstration that was interrupted continues where it was.
"""
import argparse
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.demo import methods, plan, report  # noqa: E402
from projects.demo.data import find_images  # noqa: E402
from projects.demo.steps import StepError, run_steps  # noqa: E402
from projects.engine.checkpoint_io import write_text  # noqa: E402

ROOT = 'work_dirs/demo'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--data',
        help='folder of images, in folders by class or not, in place of the '
        'embedded shapes')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='show every step, on few images and iterations')
    parser.add_argument('--method', choices=methods.names(), default='convmae')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--out', help=f'folder for the results (default: one in {ROOT})')
    return parser.parse_args(argv)


def demonstrate(settings: plan.Settings, out: Path) -> None:
    """Run what is left to do and print the table."""
    method = methods.load(settings.method)
    takes_images = 'cls' in method.PARTS
    if settings.data and not takes_images:
        raise ValueError(f'--method {settings.method} has no use for images; '
                         'run it without --data')
    images = find_images(settings.data) if settings.data else None
    plan.claim(out, settings)
    print(f'results go to {out}', flush=True)
    records = {}
    if not settings.data:
        step = plan.shapes_step(out, method.PARTS, settings.quick)
        records.update(run_steps([step], out / 'steps'))
        images = find_images(out / 'shapes/cls') if takes_images else None
    demo = plan.Demo(settings, out, images)
    if demo.images is not None:
        print(demo.images if demo.classes else
              f'{demo.images}: without classes there is only pretraining')
    method.plan(demo)
    records.update(run_steps(demo.steps, out / 'steps'))
    text = report.format_report(demo, records)
    write_text(str(out / 'results.md'), text + '\n')
    pictures = ', '.join(sorted(path.name for path in out.glob('*.png')))
    print(f'\n{text}\n\nresults.md and pictures in {out}: {pictures}')


def main(argv: list[str] | None = None) -> None:
    """Demonstrate."""
    args = parse_args(argv)
    settings = plan.Settings(args.method, args.data, args.quick, args.seed)
    out = Path(args.out or Path(ROOT, settings.name)).resolve()
    try:
        demonstrate(settings, out)
    except (StepError, ValueError, OSError) as error:
        sys.exit(f'demo: error: {error}')
    except KeyboardInterrupt:
        sys.exit('\ndemo: interrupted; the same command continues')


if __name__ == '__main__':
    main()
