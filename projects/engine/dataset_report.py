"""Examine every file of a data set before a long run meets a bad one."""
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmengine.utils import track_iter_progress
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets.folder import IMG_EXTENSIONS

from .data_check import named_data, no_samples
from .loading import LoadCheckedImage, storage_of

PHASES = ('train', 'val', 'test')
# keys of a sample that name files
PATHS = ('img_path', 'seg_map_path', 'video_path')


class Finding(NamedTuple):
    """Something to mend.

    Attributes:
        kind: 'missing', 'unreadable' (the file or its labels), 'mis-sized',
            'duplicate' or 'unused'.
        path: The file.
        text: What is wrong.
    """
    kind: str
    path: str
    text: str


@dataclass
class Report:
    """What was found in the data of one phase.

    Attributes:
        samples: How many there are.
        smallest, largest: Height and width of the images with the fewest and
            the most pixels.
        findings: In the order of the files.
    """
    samples: int = 0
    smallest: tuple[int, ...] = ()
    largest: tuple[int, ...] = ()
    findings: list[Finding] = field(default_factory=list)

    def lines(self, limit: int = 5) -> Iterator[str]:
        """The report as text, with the first findings of each kind."""
        sizes = f', images of {_size(self.smallest)} to ' \
            f'{_size(self.largest)} pixels' if self.smallest else ''
        yield f'{self.samples} samples{sizes}'
        for kind in dict.fromkeys(item.kind for item in self.findings):
            found = [item for item in self.findings if item.kind == kind]
            yield f'{len(found)} {kind}'
            yield from (f'  {item.path}: {item.text}'
                        for item in found[:limit])
            if len(found) > limit:
                yield f'  ... and {len(found) - limit} more'


class _Seen(NamedTuple):
    """What a worker reports of a sample."""
    path: str
    size: tuple[int, ...]
    digest: bytes
    finding: Finding | None


class _Examined(Dataset):
    """A data set whose samples are what there is to say of them."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.loads = list(_loading(dataset))

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> _Seen:
        results = self.dataset.get_data_info(index)
        path = next((results[key] for key in PATHS if key in results), '')
        listed = results.get('height'), results.get('width')
        digest, size = b'', ()
        try:
            for load in self.loads:
                results = load(results)
            size = tuple(results.get('ori_shape', ())[:2])
            digest = _digest(path, storage_of(self.loads))
        except Exception as error:  # decoders raise anything
            kind = 'missing' if isinstance(error,
                                           FileNotFoundError) else 'unreadable'
            return _Seen(path, size, digest, Finding(kind, path, str(error)))
        finding = None
        if None not in listed and size and listed != size:
            finding = Finding(
                'mis-sized', path, f'the annotations say {_size(listed)} '
                f'pixels, the image has {_size(size)}')
        return _Seen(path, size, digest, finding)


def examine(cfg: Config, jobs: int = 0) -> dict[str, Report]:
    """Read all data of a config once.

    Args:
        cfg: Config of any toolbox.
        jobs: Processes that read.

    Returns:
        A report for each phase that has data. An image that stands in two
        phases is reported in the later one.

    Raises:
        FileNotFoundError: If a folder or annotation file is missing.
        ValueError: If annotations are not what they should be, or there is
            no data.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    reports: dict[str, Report] = {}
    known: dict[bytes, str] = {}
    done: list[Any] = []
    for phase in PHASES:
        loader = cfg.get(f'{phase}_dataloader')
        if loader is None or _source(loader['dataset']) in done:
            continue  # the test set is often the validation set
        done.append(_source(loader['dataset']))
        with named_data(loader['dataset']):
            dataset = DATASETS.build(loader['dataset'])
            dataset.full_init()
        if not len(dataset):
            raise no_samples(loader['dataset'])
        print(f'{phase}: {len(dataset)} samples', flush=True)
        reports[phase] = _report(_read(dataset, jobs), known)
    if not reports:
        raise ValueError('the config has no data to examine')
    return reports


def _read(dataset: Any, jobs: int) -> Iterator[_Seen]:
    examined = _Examined(dataset)
    batches = DataLoader(
        examined, batch_size=32, num_workers=jobs, collate_fn=list)
    for batch in track_iter_progress((batches, len(batches))):
        yield from batch
    print(flush=True)


def _report(samples: Iterable[_Seen], known: dict[bytes, str]) -> Report:
    """Gather what the workers saw; ``known`` are images by their digest."""
    report = Report()
    used: dict[Path, set[str]] = defaultdict(set)
    for path, size, digest, finding in samples:
        report.samples += 1
        used[Path(path).parent].add(Path(path).name)
        if finding is not None:
            report.findings.append(finding)
        if size:
            report.smallest = min(report.smallest or size, size, key=_area)
            report.largest = max(report.largest, size, key=_area)
        # a data set may list an image more than once
        first = known.setdefault(digest, path) if digest else path
        if first != path:
            report.findings.append(
                Finding('duplicate', path, f'the same file as {first}'))
    report.findings += _unused(used)
    return report


def _unused(used: Mapping[Path, set[str]]) -> Iterator[Finding]:
    """Images beside those that are used."""
    for folder, names in used.items():
        if not folder.is_dir():
            continue
        for name in sorted(set(os.listdir(folder)) - names):
            if name.lower().endswith(IMG_EXTENSIONS):
                yield Finding('unused', str(folder / name),
                              'no sample of the data set is made of it')


def _source(dataset: Mapping) -> dict:
    """Where the data of a data set comes from."""
    return {
        key: value
        for key, value in dataset.items()
        if key not in ('pipeline', 'test_mode')
    }


def _loading(dataset: Any) -> Iterator[Callable]:
    """Transforms that read files; wrappers of a data set have none."""
    while not hasattr(dataset, 'pipeline'):
        dataset = getattr(dataset, 'dataset', None) or dataset.datasets[0]
    for transform in dataset.pipeline.transforms:
        if type(transform) is LoadImageFromFile:
            transform = LoadCheckedImage(backend_args=transform.backend_args)
        if hasattr(transform, 'on_error'):
            transform.on_error = 'stop'
        if type(transform).__name__.startswith('Load'):
            yield transform


def _digest(path: str, storage: dict | None) -> bytes:
    return blake2b(fileio.get(path, storage), digest_size=16).digest()


def _size(size: Sequence[Any]) -> str:
    return 'x'.join(map(str, size))


def _area(size: Sequence[int]) -> int:
    return size[0] * size[1] if size else 0
