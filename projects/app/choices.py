"""Models that the page offers: of the zoo, of files, of ``make demo``."""
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from projects.common.safe_load import CheckpointError
from projects.engine.checkpoint_io import find_checkpoint
from projects.engine.launch import find_config
from projects.zoo import index
from projects.zoo.weights import download


@dataclass(frozen=True)
class Choice:
    """A model that can be chosen.

    Attributes:
        name: What the page shows; unique.
        config: File of its config.
        checkpoint: File of its weights; None for random ones.
    """
    name: str
    config: str
    checkpoint: str | None


def from_zoo(name: str, random: bool = False) -> Choice:
    """A model of the zoo.

    Args:
        name: Its name, see ``tools/zoo.py list``.
        random: Take random weights in place of the published ones, which are
            downloaded and converted at first use.

    Raises:
        DownloadError: If nothing is published, or it cannot be had.
        ValueError: If there is no such model.
    """
    entry = index.find(name)
    if random:
        return Choice(f'{name} (random weights)', str(entry.config), None)
    return Choice(name, str(entry.config), str(download(entry, convert=True)))


def from_files(config: str, checkpoint: str) -> Choice:
    """A config and a checkpoint of the user's.

    Raises:
        FileNotFoundError: If one of them does not exist.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {checkpoint} does not exist')
    return Choice(f'{Path(config).stem}: {path.parent.name}/{path.name}',
                  find_config(config), checkpoint)


def from_demo(folder: str | Path) -> Iterator[Choice]:
    """What demonstrations have trained so far.

    Args:
        folder: With a folder for each, as ``make demo`` leaves them.
            Trainings from random weights, there for comparison, are left out.
    """
    for config in sorted(Path(folder).glob('*/configs/*.py')):
        job, demo = config.stem, config.parents[1]
        if job.endswith('-random'):
            continue
        try:
            checkpoint = find_checkpoint(str(demo / job))
        except CheckpointError:  # the demonstration will say so
            continue
        if checkpoint is not None:
            yield Choice(f'{demo.name}: {job}', str(config), checkpoint)
