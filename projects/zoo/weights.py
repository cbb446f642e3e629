"""Weights of the zoo's models: downloaded, and converted to our layout."""
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from projects.common import checkpoint, conversion

from .cache import cache_folder, cached_file, locked, sha256_of
from .index import Entry
from .transfer import DownloadError


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
    return entry.name + mark + (
        suffix if suffix in conversion.SUFFIXES else '.pth')


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
