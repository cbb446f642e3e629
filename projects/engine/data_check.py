"""Clear messages for data that is not there."""
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.utils import is_abs


@contextmanager
def named_data(dataset: Any) -> Iterator[None]:
    """Build a data set inside; if its data is not there, say what is missing.

    Args:
        dataset: Config of the data set, or of a wrapper around data sets.

    Raises:
        FileNotFoundError: If a folder or file it names does not exist.
        ValueError: If there is no sample in them.
    """
    try:
        yield
    except Exception as error:
        problem = missing_data(dataset)
        if problem is None and 'array to concatenate' in str(error):
            problem = no_samples(dataset)  # BaseDataset's way of saying so
        raise problem or error from None


def missing_data(dataset: Any, field: str = 'dataset') -> Exception | None:
    """Why a data set could not be built, if its data is not there.

    Args:
        dataset: Config of a data set, or of a wrapper around data sets.
        field: Its place in the config, for the message.

    Returns:
        A FileNotFoundError for a folder or file that does not exist, a
        ValueError for an empty folder, or None if the paths are fine.
    """
    if not isinstance(dataset, Mapping):
        return None
    for inner_field, inner in _wrapped(dataset, field):
        problem = missing_data(inner, inner_field)
        if problem is not None:
            return problem
    for name, path in _local_paths(dataset):
        if not path.exists():
            return FileNotFoundError(
                f'{field}.{name}: {path} does not exist (looked for from '
                f'{Path.cwd()}). Put the data there, or name another place '
                'with --cfg-options')
        if path.is_dir() and next(path.iterdir(), None) is None:
            return ValueError(
                f'{field}.{name}: the folder {path} is empty; images are '
                'expected in it')
    return None


def no_samples(dataset: Any) -> ValueError:
    """The error for a data set that found nothing in its folders."""
    paths = [str(path) for _, path in _local_paths(dataset)] if isinstance(
        dataset, Mapping) else []
    return ValueError(
        f'no sample found in {", ".join(paths) or "the data set"}: expected '
        'are image files, or annotations of the configured classes')


def _wrapped(dataset: Mapping, field: str) -> Iterator[tuple[str, Any]]:
    """Data sets inside a wrapper such as ``RepeatDataset``."""
    yield f'{field}.dataset', dataset.get('dataset')
    for number, inner in enumerate(dataset.get('datasets') or ()):
        yield f'{field}.datasets.{number}', inner


def _local_paths(dataset: Mapping) -> Iterator[tuple[str, Path]]:
    """The paths a data set config names, joined as ``BaseDataset`` does."""
    root = dataset.get('data_root') or ''
    prefixes = dataset.get('data_prefix') or {}
    if _is_packed(dataset):
        prefixes = {}  # of keys
    if isinstance(prefixes, str):
        prefixes = {'': prefixes}
    named = {'data_root': root, 'ann_file': dataset.get('ann_file') or ''}
    named.update({
        f'data_prefix.{key}'.rstrip('.'): prefix
        for key, prefix in prefixes.items()
    })
    for name, value in named.items():
        if not isinstance(value, str) or not value:
            continue
        if name != 'data_root' and root and not is_abs(value):
            value = f'{root.rstrip("/")}/{value}'
        if '://' not in value:
            yield name, Path(value)


def _is_packed(dataset: Mapping) -> bool:
    """Whether images are read from something else than files."""
    pipeline = dataset.get('pipeline') or ()
    return any(
        isinstance(item, Mapping) and item.get('backend_args')
        for item in (dataset, *pipeline))
