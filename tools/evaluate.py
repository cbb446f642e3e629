"""Take one pretrained checkpoint up the ladder of evaluations.

    python tools/evaluate.py CHECKPOINT [--steps knn linear ...] [--dry-run]

kNN, linear probe, low-shot, fine-tuning, detection and segmentation, by the
recipes that start from its pretraining. Everything runs through tools/train.py
and tools/test.py; what was interrupted continues by the same command. See
docs/evaluation.md.
"""
import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.demo.plan import claim, shapes_step  # noqa: E402
from projects.demo.steps import Record, StepError, run_steps  # noqa: E402
from projects.engine.checkpoint_io import write_text  # noqa: E402
from projects.evaluation import plan, recipes, results  # noqa: E402
from projects.evaluation.recognition import Pretraining  # noqa: E402
from projects.evaluation.recognition import recognise
from projects.zoo.address import SCHEME  # noqa: E402
from projects.zoo.cache import sha256_of  # noqa: E402
from projects.zoo.models import find_config  # noqa: E402

ROOT = 'work_dirs/evaluate'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'checkpoint', help='pretrained weights in our layout, or zoo://NAME')
    parser.add_argument(
        '--config',
        help='config file or zoo name of the pretraining; found by what the '
        'checkpoint says if not given')
    parser.add_argument(
        '--steps',
        nargs='+',
        metavar='STEP[=RECIPE]',
        help=f'some of {", ".join(recipes.LADDER)}; all that have a recipe if '
        'not given. RECIPE is a config file or a name in the zoo, in place of '
        'the first that starts from the pretraining')
    parser.add_argument(
        '--data',
        help='folder in place of data/, or "shapes" for the embedded data, '
        'which is drawn; by default what the recipes read')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='of the embedded data: few images and iterations, to see every '
        'step')
    parser.add_argument(
        '--gpus',
        type=int,
        default=1,
        metavar='N',
        help='processes on this machine, one on each GPU (default: 1)')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rates with the batch size')
    parser.add_argument('--seed', type=int, help="in place of the recipes'")
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of all recipes, as tools/train.py does')
    parser.add_argument(
        '--out', help=f'folder for the results (default: one in {ROOT})')
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='say which recipes would run, and stop')
    return parser.parse_args(argv)


def choose(steps: Sequence[str] | None, pretraining: Pretraining,
           ladder: dict[str, list[Path]]) -> dict[str, Path]:
    """The recipe of each step that was asked for, in the ladder's order.

    Raises:
        FileNotFoundError: If a recipe does not exist.
        ValueError: If there is no such step, or no recipe for it.
    """
    if steps is None:
        steps = [*ladder]
    chosen = {}
    for text in steps:
        step, _, recipe = text.partition('=')
        if step not in recipes.LADDER:
            near = difflib.get_close_matches(step, recipes.LADDER, 1)
            raise ValueError(f'--steps: unknown step {step!r}; choose from '
                             f'{", ".join(recipes.LADDER)}' +
                             (f'. Did you mean {near[0]!r}?' if near else ''))
        if recipe:
            chosen[step] = find_config(recipe).resolve()
        elif step in ladder:
            chosen[step] = ladder[step][0]
        else:
            raise ValueError(
                f'--steps: no recipe for {step} starts from '
                f'{pretraining.config.stem}; there are recipes for '
                f'{", ".join(ladder) or "nothing"}. Name one by '
                f'{step}=CONFIG')
    if not chosen:
        raise ValueError(f'no recipe starts from {pretraining.config.stem}; '
                         'name some by --steps STEP=CONFIG')
    return {step: chosen[step] for step in recipes.LADDER if step in chosen}


def settings_of(args: argparse.Namespace) -> plan.Settings:
    """What results depend on."""
    checkpoint, digest = args.checkpoint, ''
    if not checkpoint.startswith(SCHEME):
        path = Path(checkpoint).resolve()
        checkpoint, digest = str(path), sha256_of(path)
    data = args.data
    if data not in (None, plan.EMBEDDED):
        data = str(Path(data).resolve())
    return plan.Settings(checkpoint, digest, data, args.quick, args.seed,
                         tuple(args.cfg_options))


def evaluate(args: argparse.Namespace) -> None:
    """Run what is left to do; write the tables after every step.

    Raises:
        StepError: If a command fails; names its log.
        OSError: If a file or data is missing.
        ValueError: If something that was asked for cannot be.
    """
    if args.gpus < 1:
        raise ValueError(f'--gpus is {args.gpus}; expected 1 or more')
    pretraining = recognise(args.checkpoint, args.config)
    print(
        f'{args.checkpoint}: {pretraining.config.stem} '
        f'({pretraining.reason})',
        flush=True)
    ladder = recipes.find_ladder(pretraining.config)
    chosen = choose(args.steps, pretraining, ladder)
    settings = settings_of(args)
    for step, recipe in chosen.items():
        print(f'  {step:<13} {recipe.stem}')
    if args.dry_run:
        return
    out = Path(
        args.out or Path(
            ROOT, f'{pretraining.config.stem}-'
            f'{settings.sha256[:8] or "zoo"}')).resolve()
    train_args = ['--auto-scale-lr'] if args.auto_scale_lr else []
    evaluations = plan.plan(settings, chosen, out, args.gpus, *train_args)
    claim(out, settings)
    plan.write_configs(evaluations)
    print(f'results go to {out}', flush=True)
    drawn = [
        recipe for paths in [[path]
                             for path in chosen.values()] + [*ladder.values()]
        for recipe in paths if plan.embedded(settings, recipes.read(recipe))
    ]
    parts = [plan.part_of(recipes.read(recipe)) for recipe in drawn]
    if parts:
        names = sorted({part for part in parts if part})
        run_steps([shapes_step(out, names, args.quick)], out / 'steps')
    records: dict[str, Record] = {}
    for number, item in enumerate(evaluations, 1):
        records.update(run_steps([item.step], out / 'steps'))
        done = evaluations[:number]
        table = results.format_results(settings, pretraining, done, records)
        write_text(str(out / 'results.md'), table)
        write_text(
            str(out / 'results.yml'),
            results.format_metafile(settings, pretraining, done))
    print(f'\n{table}\nresults.md, and results.yml for a metafile, in {out}')


def main(argv: list[str] | None = None) -> None:
    """Evaluate; one line on an error."""
    try:
        evaluate(parse_args(argv))
    except (StepError, ValueError, OSError) as error:
        sys.exit(f'evaluate: error: {error}')
    except KeyboardInterrupt:
        sys.exit('\nevaluate: interrupted; the same command continues')


if __name__ == '__main__':
    main()
