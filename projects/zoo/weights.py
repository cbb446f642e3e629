"""Weights of the zoo's models: downloaded, and converted to our layout.

``zoo://NAME`` is an address for them, wherever a checkpoint is named:
``init_cfg``, ``load_from``, ``--cfg-options``, the toolboxes' inferencers.
"""
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mmengine.dist import barrier, get_rank
from mmengine.runner import CheckpointLoader

from projects.common import checkpoint, conversion
from projects.common.safe_load import load_file

from .cache import cache_folder, cached_file, locked, sha256_of
from .index import ROOT, Entry, find
from .transfer import DownloadError

SCHEME = 'zoo://'
SUFFIXES = ('.pth', '.pt', '.safetensors')


def download(entry: Entry, convert: bool = False, **options) -> Path:
    """Weights of a model, from the cache if they are there.

    Args:
        entry: The model.
        convert: Give them in our layout; official files are converted, once.
        options: Of :func:`~projects.zoo.cache.cached_file`.

    Returns:
        Path of the file in the cache.

    Raises:
        DownloadError: If nothing is published, or the file cannot be had.
        ValueError: If it cannot be converted.
    """
    if entry.weights:
        return cached_file(entry.weights, _filename(entry, entry.weights),
                           entry.model.get('SHA256'), **options)
    if entry.origin is None:
        raise DownloadError(
            f'{entry.name}: no weights are published. Train them with '
            f'python tools/train.py {entry.model["Config"]}')
    url = entry.origin['Weights']
    path = cached_file(url, _filename(entry, url, '_official'),
                       entry.origin.get('SHA256'), **options)
    return _converted(entry, path) if convert else path


def _filename(entry: Entry, url: str, mark: str = '') -> str:
    suffix = Path(urlsplit(url).path).suffix
    return entry.name + mark + (suffix if suffix in SUFFIXES else '.pth')


def _converted(entry: Entry, official: Path) -> Path:
    """An official file in our layout; converted anew if our code changed."""
    kind = entry.origin.get('Format') if entry.origin else None
    key = hashlib.sha256(sha256_of(official).encode())
    modules = [conversion, checkpoint, *conversion.converters().values()]
    for file in (entry.config, *(module.__file__ for module in modules)):
        key.update(Path(str(file)).read_bytes())
    folder = cache_folder() / 'converted' / key.hexdigest()[:16]
    path = folder / f'{entry.name}.pth'
    with locked(folder):
        if not path.exists():
            conversion.convert_file(
                str(official), str(path), kind, config=str(entry.config))
    return path


def load_from_zoo(filename: str, map_location: Any = 'cpu') -> Any:
    """Loader of ``zoo://NAME``; one process of a job downloads."""
    entry = find(filename.removeprefix(SCHEME), ROOT)
    path = None
    if get_rank() == 0:
        path = download(entry, convert=True)
    barrier()
    path = path or download(entry, convert=True, offline=True)
    return load_file(str(path), map_location)


CheckpointLoader.register_scheme(SCHEME, load_from_zoo, force=True)
