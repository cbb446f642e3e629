"""Pack a folder of images into an LMDB database, and examine one.

The keys of the database are the paths below the folder, the values are the
bytes of the files. A second table holds the SHA-256 of each file with its size
and time of change; both are written in one transaction, so that a file is in
the database with its digest or not at all.
"""
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeVar

import lmdb
from mmengine import fileio
from mmengine.utils import scandir
from rich.progress import track
from torchvision.datasets.folder import IMG_EXTENSIONS

from .checkpoint_io import write_text
from .lmdb_backend import DIGESTS, encode_key, keys_from, open_to_read, release
from .loading import ImageError, LoadCheckedImage

LISTING = 'ann_file.txt'  # in the database's folder
CLASSES = 'classes.txt'
# Of a transaction, which is what a kill can cost.
BATCH_FILES = 256
BATCH_BYTES = 32 << 20
# The size of the map bounds the database, and costs nothing on disk.
FIRST_MAP = 16 << 20
MAP_STEP = 1 << 30
LONGEST_KEY = 511  # bytes, of LMDB

_RECORD = struct.Struct('<32sQq')
In = TypeVar('In')
Out = TypeVar('Out')


class Record(NamedTuple):
    """What is kept of a file: its SHA-256, bytes, and time of change in ns."""
    digest: bytes
    size: int
    mtime_ns: int


class File(NamedTuple):
    """A file that was read: its path below the folder, and what is kept."""
    path: str
    content: bytes
    record: Record


class Listing(NamedTuple):
    """The images of a folder.

    Attributes:
        folder: Where they are.
        labels: Path below the folder -> class, or '' without classes; in the
            order of mmpretrain's ``CustomDataset``.
        classes: Names of the classes, if the folder tells them.
    """
    folder: Path
    labels: dict[str, str]
    classes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """``path label``, or ``path`` where there are no classes."""
        for path, label in self.labels.items():
            yield f'{path} {label}'.rstrip() + '\n'


def list_images(folder: str | os.PathLike,
                ann_file: str | os.PathLike | None = None) -> Listing:
    """The images that a database of a folder holds.

    Args:
        folder: Images, with folders in it or without. If all of them are in
            folders, those of the first level are the classes.
        ann_file: The images to take, ``path label`` or ``path`` in each line,
            in place of all.

    Raises:
        FileNotFoundError: If the folder or a listed image does not exist, or
            there is no image.
        ValueError: If a path cannot be a key, or stands in two lines.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder} is not a folder of images')
    if ann_file is not None:
        found = Listing(folder, _read_lines(folder, Path(ann_file)))
    else:
        found = _find_images(folder)
    if not found.labels:
        raise FileNotFoundError(
            f'no image in {ann_file or folder}; expected are files ending in '
            f'{", ".join(IMG_EXTENSIONS)}')
    for path in found.labels:
        _check_key(path)
    return found


def _find_images(folder: Path) -> Listing:
    names = sorted(
        scandir(folder, IMG_EXTENSIONS, recursive=True, case_sensitive=False))
    if not all('/' in name for name in names):
        return Listing(folder, dict.fromkeys(names, ''))
    classes = sorted(fileio.list_dir_or_file(folder, list_file=False))
    labels = {name: str(number) for number, name in enumerate(classes)}
    names.sort(key=lambda name: name.split('/', 1))
    return Listing(folder,
                   {name: labels[name.split('/')[0]]
                    for name in names}, tuple(classes))


def _read_lines(folder: Path, ann_file: Path) -> dict[str, str]:
    labels: dict[str, str] = {}
    for number, line in enumerate(ann_file.read_text().splitlines(), 1):
        path, label = _split(line)
        if not path:
            continue
        if path in labels:
            raise ValueError(
                f'{ann_file}, line {number}: {path} stands in two lines')
        if not (folder / path).is_file():
            raise FileNotFoundError(f'{ann_file}, line {number}: '
                                    f'{folder / path} does not exist')
        labels[path] = label
    return labels


def _split(line: str) -> tuple[str, str]:
    """Path and label of a line; names may have spaces."""
    path, _, label = line.strip().rpartition(' ')
    return (path, label) if path and label.isdigit() else (line.strip(), '')


def _check_key(path: str) -> None:
    below = os.path.normpath(path) == path and not path.startswith(('/', '..'))
    try:
        key = path.encode()
    except UnicodeEncodeError:
        raise ValueError(f'{path!r}: the name is not UTF-8') from None
    if not below or path.splitlines() != [path.strip()]:
        raise ValueError(f'{path!r} cannot stand in a list: expected is a '
                         'plain path below the folder, in one line')
    if len(key) > LONGEST_KEY:
        raise ValueError(f'{path}: the path has {len(key)} bytes, at most '
                         f'{LONGEST_KEY} fit into a key; shorten it')


def pack(images: Listing, out: str | os.PathLike, jobs: int = 4) -> int:
    """Bring images into a database, and go on where an earlier call ended.

    When all are in it, their listing is written beside them as
    ``ann_file.txt``, and the names of the classes as ``classes.txt``.

    Args:
        images: What to pack.
        out: Folder of the database: new, empty, or of the same images.
        jobs: Threads that read.

    Returns:
        How many were added; the others were there.

    Raises:
        ValueError: If ``out`` is something else, or has other images.
        OSError: If an image cannot be read, or ``out`` not be written, for
            example on a full disk. What is in the database stays in it.
    """
    out = Path(out)
    with _open_to_write(out) as environment:
        known = _stored(environment)
        _refuse_others(images, out, known, jobs)
        new = [path for path in images.labels if path not in known]
        files: Iterable[File] = _each(partial(_read, images.folder), new, jobs)
        if new:
            files = track(files, 'packing', total=len(new))
        for batch in _batches(files):
            _store(environment, batch)
    write_text(str(out / LISTING), ''.join(images.lines()))
    if images.classes:
        write_text(str(out / CLASSES), '\n'.join(images.classes) + '\n')
    return len(new)


@contextmanager
def _open_to_write(out: Path) -> Iterator[lmdb.Environment]:
    """The database, new or as it is; closed at the end.

    Raises:
        ValueError: If ``out`` is something else.
        OSError: If it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f'{out} is a file; a folder is made for the database')
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if names and 'data.mdb' not in names:
        raise ValueError(f'{out} is a folder of other files '
                         f'({min(names)}); choose another name')
    release(out)
    if names:
        open_to_read(out).close()  # refuses what is damaged
    try:
        environment = lmdb.open(str(out), map_size=FIRST_MAP, max_dbs=1)
    except (lmdb.Error, OSError) as error:
        raise OSError(f'{out} cannot be written: {error}') from None
    try:
        yield environment
    except lmdb.Error as error:
        raise OSError(
            f'{out} cannot be written: {error}. What was packed is safe; '
            'when there is space and permission, the same command goes on'
        ) from None
    finally:
        environment.close()


def _stored(environment: lmdb.Environment) -> dict[str, Record]:
    """Records of the images that are in a database.

    Raises:
        ValueError: If the database was made by another program.
    """
    with environment.begin() as transaction:
        foreign = next(keys_from(transaction.cursor()), None)
        if not transaction.cursor().set_key(DIGESTS):
            if foreign is not None:
                raise ValueError(
                    f'{environment.path()} is the database of another program '
                    f'(key {foreign}, no table of digests)')
            return {}
    table = environment.open_db(DIGESTS, create=False)
    with environment.begin(db=table) as transaction:
        return {
            key.decode(): Record(*_RECORD.unpack(value))
            for key, value in transaction.cursor()
        }


def _refuse_others(images: Listing, out: Path, known: dict[str, Record],
                   jobs: int) -> None:
    """See that what is packed are images of this folder.

    Files of the same size and time are taken for the same, others are read.

    Raises:
        ValueError: If one is not there or has other content; names it.
    """
    advice = ('it is the database of another folder, or the folder has '
              'changed. Choose another name, or delete the database')
    foreign = next((path for path in known if path not in images.labels), None)
    if foreign is not None:
        raise ValueError(
            f'{out} holds {foreign}, which is not among the '
            f'{len(images.labels)} images of {images.folder}: {advice}')
    stamps = _each(partial(_stamp, images.folder), list(known), jobs)
    touched = [
        path for (path, record), stamp in zip(known.items(), stamps)
        if stamp != record[1:]
    ]
    for file in _each(partial(_read, images.folder), touched, jobs):
        if file.record.digest != known[file.path].digest:
            raise ValueError(f'{out} holds another {file.path} than '
                             f'{images.folder}: {advice}')


def _each(function: Callable[[In], Out], items: Sequence[In],
          jobs: int) -> Iterator[Out]:
    """``map`` in threads, of which only few results wait in memory."""
    with ThreadPoolExecutor(jobs) as pool:
        for start in range(0, len(items), 4 * jobs):
            yield from pool.map(function, items[start:start + 4 * jobs])


def _stamp(folder: Path, path: str) -> tuple[int, int]:
    status = (folder / path).stat()
    return status.st_size, status.st_mtime_ns


def _read(folder: Path, path: str) -> File:
    _, mtime_ns = _stamp(folder, path)
    content = (folder / path).read_bytes()
    record = Record(sha256(content).digest(), len(content), mtime_ns)
    return File(path, content, record)


def _batches(files: Iterable[File]) -> Iterator[list[File]]:
    """Files in groups of bounded number and size."""
    batch: list[File] = []
    total = 0
    for file in files:
        batch.append(file)
        total += file.record.size
        if len(batch) == BATCH_FILES or total >= BATCH_BYTES:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def _store(environment: lmdb.Environment, files: Sequence[File]) -> None:
    """Write files and their digests in one transaction."""
    while True:
        try:
            table = environment.open_db(DIGESTS)
            with environment.begin(write=True) as transaction:
                for path, content, record in files:
                    key = encode_key(path)
                    transaction.put(key, content)
                    transaction.put(key, _RECORD.pack(*record), db=table)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(environment.info()['map_size'] + MAP_STEP +
                                    2 * sum(file.record.size
                                            for file in files))


def examine(out: str | os.PathLike,
            expected: Iterable[str] = (),
            jobs: int = 4) -> Iterator[str]:
    """Everything that is wrong with a database, by the name of the image.

    Each image is read, compared with its SHA-256 and decoded.

    Args:
        out: Folder of the database.
        expected: Images that should be in it, besides those of its listing.
        jobs: Threads that read.

    Raises:
        FileNotFoundError: If there is no database.
        ValueError: If another program made it.
        OSError: If it cannot be read.
    """
    out = Path(out)
    release(out)
    environment = open_to_read(out, max_dbs=1)
    try:
        records = _stored(environment)
        with environment.begin() as transaction:
            keys = set(keys_from(transaction.cursor()))
        for path in sorted(keys - records.keys()):
            yield f'{path}: stored without a digest'
        yield from _missing(out, records, expected)
        problems = _each(
            partial(_problem, environment), list(records.items()), jobs)
        yield from filter(None, track(problems, 'checking', len(records)))
    except lmdb.Error as error:
        raise OSError(f'{out} is damaged: {error}') from None
    finally:
        environment.close()


def _missing(out: Path, records: dict[str, Record],
             expected: Iterable[str]) -> Iterator[str]:
    """Images that are not in a database, and a listing that is not there."""
    listing = out / LISTING
    paths = dict.fromkeys(expected)
    if listing.is_file():
        lines = listing.read_text().splitlines()
        paths.update((_split(line)[0], None) for line in lines)
    else:
        yield f'{listing}: does not exist, packing was not finished'
    for path in paths:
        if path not in records:
            yield f'{path}: not in the database'


def _problem(environment: lmdb.Environment,
             entry: tuple[str, Record]) -> str | None:
    """What is wrong with a stored image."""
    path, record = entry
    with environment.begin() as transaction:
        content = transaction.get(encode_key(path))
    if content is None:
        return f'{path}: a digest without the file'
    if sha256(content).digest() != record.digest:
        return (f'{path}: damaged, the {len(content)} stored bytes do not '
                'have the SHA-256 of the file')
    try:
        LoadCheckedImage(color_type='unchanged').decode(path, content)
    except ImageError as error:
        return str(error)
    return None
