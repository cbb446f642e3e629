"""What a demonstration consists of: trainings, steps, and rows of a table."""
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from projects.engine.checkpoint_io import write_text

from .data import ImageList
from .job import Job, read_config, shorten, use_images, use_shapes
from .report import Metric, Row
from .steps import Step

# Iterations of a quick demonstration: enough to see every step work.
QUICK_PRETRAINING, QUICK_TRAINING = 100, 30
# Its training and test images, of the user's; as in the small shapes.
QUICK_IMAGES = 400, 160


@dataclass(frozen=True)
class Settings:
    """What the user asked for.

    Attributes:
        method: Name of a module of ``methods``.
        data: Folder of the user's images; None for the embedded shapes.
        quick: Few images and iterations.
        seed: Of what training draws by lot.
    """
    method: str
    data: str | None = None
    quick: bool = False
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of the results' folder."""
        data = Path(self.data).resolve().name if self.data else 'shapes'
        quick = '-quick' if self.quick else ''
        return f'{self.method}-{data}{quick}-seed{self.seed}'


def claim(out: Path, settings: Any) -> None:
    """Take a new folder for the results, or go on in that of before.

    Args:
        out: The folder.
        settings: A dataclass of plain values: what makes results differ.

    Raises:
        FileExistsError: If the folder holds something else, or results of
            other settings.
    """
    path = out / 'settings.json'
    text = json.dumps(asdict(settings), indent=2) + '\n'
    if path.exists() and path.read_text() != text:
        raise FileExistsError(
            f'{out} has results of other settings '
            f'({" ".join(path.read_text().split())}); delete it or give '
            'another --out')
    if not path.exists() and out.exists() and any(out.iterdir()):
        raise FileExistsError(
            f'{out} has files of something else in it; give another --out')
    out.mkdir(parents=True, exist_ok=True)
    write_text(str(path), text)


def shapes_step(out: Path, parts: Sequence[str], quick: bool) -> Step:
    """The step that draws the embedded data."""
    size = 'small' if quick else 'demo'
    return Step(
        'shapes', 'Draw the images', 'datasets/make_shapes.py',
        (str(out / 'shapes'), '--size', size, '--parts', ','.join(parts)))


class Demo:
    """A demonstration as a method's ``plan`` writes it down.

    Nothing runs while it is planned: each verb adds a step or a row, in
    order, and configs are written for the trainings.

    Args:
        settings: The user's.
        out: Folder of the results; the embedded data is in ``shapes``.
        images: The user's or the embedded images; None for methods that use
            no single images.

    Attributes:
        steps: What to run, in order.
        rows: Of the table at the end.
    """

    def __init__(self, settings: Settings, out: Path,
                 images: ImageList | None) -> None:
        self.settings = settings
        self.out = out
        if images is not None and settings.quick:
            images = images.few(*QUICK_IMAGES)
        self.images = images
        self.steps: list[Step] = []
        self.rows: list[Row] = []
        if images is not None:
            images.write(out / 'images')

    @property
    def embedded(self) -> bool:
        """Whether the data is the embedded shapes, all parts of them."""
        return self.settings.data is None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the images' classes; empty without labels."""
        return () if self.images is None else self.images.classes

    def job(self,
            name: str,
            config: str,
            changes: Mapping[str, Any] | None = None,
            quick: int | None = None) -> Job:
        """A training; adds nothing to the steps.

        Its config reads the demonstration's images if its training set is a
        ``CustomDataset``, and the embedded data otherwise.

        Args:
            name: Unique; names its folder and its curve.
            config: Path below ``configs/``.
            changes: Of the config, as ``Config.merge_from_dict`` takes them.
            quick: Iterations in a quick demonstration.
        """
        cfg = read_config(config)
        self.use_data(cfg)
        if self.settings.quick:
            shorten(cfg, quick or QUICK_TRAINING)
        cfg.merge_from_dict({
            **(changes or {}), 'randomness.seed':
            self.settings.seed
        })
        job = Job(name, cfg, self.out)
        job.config.parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(job.config)
        return job

    def use_data(self, cfg: Config) -> None:
        """Let a config read the demonstration's data."""
        if (self.images is not None
                and cfg.train_dataloader.dataset.type == 'CustomDataset'):
            use_images(cfg, self.images, self.out / 'images')
        else:
            use_shapes(cfg, self.out / 'shapes')

    def step(self, step: Step) -> Step:
        """Add any step."""
        self.steps.append(step)
        return step

    def row(self, what: str, weights: str, step: Step, settings: str, *metrics:
            Metric) -> None:
        """Add a row to the table.

        Args:
            what: The evaluation.
            weights: What it starts from.
            step: The step that took the time and has the results.
            settings: What was run.
            metrics: Which of its results are shown.
        """
        self.rows.append(Row(what, weights, step, settings, metrics))

    def pretrain(self, config: str) -> Job:
        """Pretrain on images, and draw the curve.

        The config's validation is left out where there are no labels.
        """
        job = self.job('pretrain', config, quick=QUICK_PRETRAINING)
        labelled = self.images is None or bool(self.classes)
        step = self.step(
            job.train_step('Pretrain without labels',
                           *([] if labelled else ['--no-validate'])))
        ratio = job.cfg.model.get('masking', {}).get('ratio')
        hidden = '' if ratio is None else f', {100 * ratio:g} % hidden'
        self.row('pretraining', 'random', step, job.describe() + hidden)
        return job

    def draw_reconstructions(self, job: Job) -> None:
        """Draw what a masked autoencoder makes of the images."""
        assert self.images is not None
        self.step(
            Step('reconstructions', 'Draw reconstructions',
                 'visualize_reconstruction.py',
                 (str(job.config), str(job.checkpoint), str(self.images.shown),
                  '--out', str(self.out / 'reconstructions.png'))))

    def draw_predictions(self,
                         job: Job,
                         name: str | None = None,
                         *options: str) -> None:
        """Draw what a detector or segmentor finds, beside the truth.

        Args:
            job: Its training.
            name: Of the picture; that of the training if None.
            options: Changes of the config, as ``--cfg-options`` takes them.
        """
        name = name or job.name
        changes = ('--cfg-options', *options) if options else ()
        self.step(
            Step(f'predictions-{name}', f'Draw predictions of {name}',
                 'visualization/predictions.py',
                 (str(job.config), str(job.checkpoint), '--out',
                  str(self.out / f'predictions_{name}.png'), *changes)))

    def draw_curves(self, name: str, jobs: Sequence[Job], *keys: str) -> None:
        """Draw curves of trainings, a panel for each logged quantity."""
        self.step(
            Step(f'curves-{name}', f'Draw the curves of {name}',
                 'analysis/analyze_logs.py',
                 (*(str(job.work_dir) for job in jobs), '--keys', *keys,
                  '--out', str(self.out / f'curves_{name}.png'))))
