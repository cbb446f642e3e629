"""What the demonstration runs: configs and the steps that use them."""
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from projects.engine.checkpoint_io import write_text

from .data import ImageList
from .steps import REPOSITORY, Step


@dataclass(frozen=True)
class Method:
    """The configs of a method, below ``configs/``.

    Attributes:
        pretrain: A masked autoencoder.
        finetune: A classifier, trained from end to end.
        linear: A linear classifier on the frozen backbone.
    """
    pretrain: str
    finetune: str
    linear: str


METHODS = dict(
    convmae=Method(
        'convmae/demo/convmae_tiny_1xb32-coslr-6k_shapes.py',
        'convmae/demo/convvit-tiny_convmae-pre_1xb32-coslr-500_shapes.py',
        'convmae/demo/'
        'convvit-tiny_convmae-pre_1xb32-linear-coslr-500_shapes.py'))

# Iterations of a quick demonstration: enough to see every step work.
QUICK_PRETRAINING, QUICK_TRAINING = 100, 30

WEIGHTS = ('random', 'pretrained')


@dataclass(frozen=True)
class Settings:
    """What the user asked for.

    Attributes:
        method: A key of ``METHODS``.
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


@dataclass(frozen=True)
class Job:
    """A training of the demonstration.

    Attributes:
        name: For example ``linear-random``.
        cfg: Its config, complete.
        out: Folder of the demonstration.
    """
    name: str
    cfg: Config
    out: Path

    @property
    def config(self) -> Path:
        """The config as a file."""
        return self.out / 'configs' / f'{self.name}.py'

    @property
    def work_dir(self) -> Path:
        """Folder of its logs and checkpoints."""
        return self.out / self.name

    @property
    def checkpoint(self) -> Path:
        """What it ends with."""
        return self.work_dir / f'iter_{self.cfg.train_cfg.max_iters}.pth'

    @property
    def knn(self) -> Path:
        """Results of kNN classification, a JSON file."""
        return self.work_dir / 'knn.json'

    def train(self, title: str, *options: str) -> Step:
        """The step that trains, and validates at the end."""
        return Step(self.name, title, 'train.py', (str(self.config), *options),
                    self.work_dir)

    def test_knn(self, title: str, k: int) -> Step:
        """The step that classifies by the ``k`` nearest training images."""
        return Step(
            f'{self.name}-knn', title, 'test.py',
            (str(self.config), str(self.checkpoint), '--work-dir',
             str(self.work_dir / 'knn'), '--out', str(self.knn),
             '--cfg-options', 'test_cfg.type=KNNTestLoop', f'test_cfg.k={k}'))


def claim(out: Path, settings: Settings) -> None:
    """Take a new folder for the results, or go on in that of before.

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


def shapes_step(folder: Path, quick: bool) -> Step:
    """The step that draws the embedded images."""
    size = 'small' if quick else 'demo'
    return Step('shapes', 'Draw the images', 'datasets/make_shapes.py',
                (str(folder), '--size', size, '--parts', 'cls'))


def make_jobs(settings: Settings, images: ImageList,
              out: Path) -> dict[str, Job]:
    """All trainings; writes their configs and the lists of images.

    Args:
        settings: The user's.
        images: What to train and test on.
        out: Folder of the results.

    Returns:
        Jobs by name, ``pretrain`` first; only that without classes.
    """
    images.write(out / 'images')
    method = METHODS[settings.method]

    def make(name: str, config: str, changes: Mapping[str, Any]) -> Job:
        cfg = Config.fromfile(
            REPOSITORY / 'configs' / config, import_custom_modules=False)
        cfg.merge_from_dict({
            **_data_changes(cfg, images, out),
            **(_quick_changes(cfg) if settings.quick else {}),
            **changes, 'randomness.seed': settings.seed
        })
        job = Job(name, cfg, out)
        job.config.parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(job.config)
        return job

    pretrain = make('pretrain', method.pretrain, {})
    jobs = {pretrain.name: pretrain}
    if not images.classes:
        return jobs
    init_cfg = 'model.backbone.init_cfg'
    starts: dict[str, dict[str, Any]] = dict(
        random={init_cfg: None},
        pretrained={f'{init_cfg}.checkpoint': str(pretrain.checkpoint)})
    for kind in ('linear', 'finetune'):
        for weights in WEIGHTS:
            name = f'{kind}-{weights}'
            jobs[name] = make(name, getattr(method, kind), {
                **starts[weights], 'model.head.num_classes':
                len(images.classes)
            })
    return jobs


def _data_changes(cfg: Config, images: ImageList, out: Path) -> dict[str, Any]:
    """Let a config read the listed images."""
    changes: dict[str, Any] = {}
    for part, split in dict(train='train', val='val', test='val').items():
        dataset = f'{part}_dataloader.dataset'
        changes[f'{dataset}.data_root'] = str(images.root)
        changes[f'{dataset}.data_prefix'] = ''
        changes[f'{dataset}.ann_file'] = str(out / 'images' / f'{split}.txt')
        loop = cfg.get(f'{part}_cfg')
        if 'k' in loop:  # kNN: no more neighbours than there are images
            changes[f'{part}_cfg.k'] = min(loop.k, len(images.train))
    if not images.classes:
        changes['train_dataloader.dataset.with_label'] = False
    return changes


def _quick_changes(cfg: Config) -> dict[str, Any]:
    """Shorten a training."""
    pretraining = cfg.model.type == 'MaskedAutoencoder'
    length = QUICK_PRETRAINING if pretraining else QUICK_TRAINING
    return {
        'train_cfg.max_iters': length,
        'train_cfg.val_interval': length,
        'param_scheduler.0.end': length // 10,
        'param_scheduler.1.begin': length // 10,
        'param_scheduler.1.end': length
    }


def plan_steps(jobs: Mapping[str, Job], images: ImageList,
               out: Path) -> Iterator[Step]:
    """Everything after the images are there, in order.

    Args:
        jobs: From :func:`make_jobs`.
        images: The images.
        out: Folder of the results.
    """
    pretrain, *evaluations = jobs.values()
    yield pretrain.train('Pretrain without labels',
                         *([] if evaluations else ['--no-validate']))
    yield Step('reconstructions', 'Draw reconstructions',
               'visualize_reconstruction.py',
               (str(pretrain.config), str(pretrain.checkpoint),
                str(images.shown), '--out', str(out / 'reconstructions.png')))
    for job in evaluations:
        kind, weights = job.name.split('-')
        if kind == 'linear':
            yield job.train(f'Train a linear probe on {weights} weights')
            yield job.test_knn(f'Classify by kNN with {weights} weights',
                               pretrain.cfg.test_cfg.k)
        else:
            yield job.train(f'Fine-tune from {weights} weights')
    yield _draw_curves('pretraining', [pretrain], bool(evaluations), out)
    if evaluations:
        yield _draw_curves('evaluation', evaluations, True, out)


def _draw_curves(name: str, jobs: Sequence[Job], accuracy: bool,
                 out: Path) -> Step:
    """A step that draws curves of trainings."""
    keys = ['loss', 'accuracy/top1'] if accuracy else ['loss']
    return Step(f'curves-{name}', f'Draw the curves of {name}',
                'analysis/analyze_logs.py',
                (*(str(job.work_dir) for job in jobs), '--keys', *keys,
                 '--out', str(out / f'curves_{name}.png')))
