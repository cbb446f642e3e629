"""Images packed in an LMDB database, as mmengine's ``backend_args`` name it.

    dict(type='LoadCheckedImage', backend_args=dict(backend='lmdb', db_path=D))

``tools/datasets/pack.py`` makes such databases; their keys are paths.
"""
import errno
import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import lmdb
from mmengine.fileio import LmdbBackend, register_backend

# A table of its own in the database: the digest of each file. Its name stands
# among the keys, and no relative path begins with a slash.
DIGESTS = b'/sha256'

_environments: dict[str, tuple[int, lmdb.Environment]] = {}


@register_backend('lmdb', force=True)
class PackedBackend(LmdbBackend):
    """mmengine's ``LmdbBackend``, in whose place it is registered.

    That one returns None for a key that is not there, so that decoders fail
    without a name; takes ASCII keys only; keeps a database open across a
    fork, which LMDB forbids; and opens it again for arguments that are
    written differently, which lmdb refuses. Here a database is opened once in
    each process, when it first reads.

    Args:
        db_path: The database, a folder.
        **kwargs: ``readonly=True``, ``lock=False``, ``readahead=False`` and
            other arguments of ``lmdb.open``.
    """

    def get(self, filepath: str | os.PathLike) -> bytes:
        """The bytes under a key.

        Raises:
            FileNotFoundError: If the database or the key does not exist;
                names both.
            OSError: If the database cannot be read.
        """
        key = os.fspath(filepath)
        environment = self._get_client()
        try:
            with environment.begin() as transaction:
                content = transaction.get(encode_key(key))
                if content is None:
                    raise self._missing(key, transaction.cursor())
        except lmdb.BadValsizeError:  # empty, or longer than keys can be
            raise self._missing(key, None) from None
        except lmdb.Error as error:
            raise OSError(errno.EIO, f'the LMDB database {self.db_path}: '
                          f'{error}', key) from None
        return content

    def list_dir_or_file(self,
                         dir_path: str | os.PathLike,
                         list_dir: bool = False,
                         list_file: bool = True,
                         suffix: str | tuple[str, ...] | None = None,
                         recursive: bool = False) -> Iterator[str]:
        """Keys below a folder, without its name, as mmseg asks for them.

        Args:
            dir_path: The folder; '' for all keys.
            list_dir: Databases have no folders; it has to be False.
            list_file: It has to be True.
            suffix: How the keys end.
            recursive: Whether to go into folders in it.

        Raises:
            NotImplementedError: If folders are asked for.
        """
        if list_dir or not list_file:
            raise NotImplementedError(
                f'the database {self.db_path} holds files, not folders')
        folder = os.fspath(dir_path).rstrip('/')
        start = folder + '/' if folder else ''
        with self._get_client().begin() as transaction:
            for key in keys_from(transaction.cursor(), start):
                name = key[len(start):]
                if '/' in name and not recursive:
                    continue
                if name.endswith(suffix or ''):
                    yield name

    @cached_property
    def _place(self) -> str:
        return os.path.realpath(self.db_path)

    def _get_client(self) -> lmdb.Environment:
        """The database, opened by this process."""
        process, environment = _environments.get(self._place, (0, None))
        if environment is None or process != os.getpid():
            if environment is not None:
                environment.close()  # the parent's, inherited by the fork
            environment = open_to_read(
                self.db_path,
                readonly=self.readonly,
                lock=self.lock,
                readahead=self.readahead,
                **self.kwargs)
            _environments[self._place] = os.getpid(), environment
        return environment

    def _missing(self, key: str,
                 cursor: lmdb.Cursor | None) -> FileNotFoundError:
        example = next(keys_from(cursor), None) if cursor else None
        hint = f', whose keys are like {example}' if example else ''
        return FileNotFoundError(errno.ENOENT,
                                 f'not in the database {self.db_path}{hint}',
                                 key)


def release(path: str | os.PathLike) -> None:
    """Close what this process has opened of a database to load images.

    lmdb opens a database once in a process. The next image opens it again.
    """
    _, environment = _environments.pop(os.path.realpath(path), (0, None))
    if environment is not None:
        environment.close()


def open_to_read(path: str | os.PathLike, **options: Any) -> lmdb.Environment:
    """Open a database that is there.

    Args:
        path: Its folder.
        **options: Arguments of ``lmdb.open``.

    Raises:
        FileNotFoundError: If there is none.
        OSError: If it cannot be opened, or its file was cut off: LMDB would
            end the process when it reads what is not there.
    """
    options = dict(readonly=True, lock=False, readahead=False) | options
    path = os.fspath(path)
    try:
        environment = lmdb.open(path, **options)
    except lmdb.Error as error:
        kind = OSError if os.path.exists(path) else FileNotFoundError
        raise kind(
            f'the LMDB database {path} cannot be opened: {error}') from None
    file = os.path.join(path, 'data.mdb') if os.path.isdir(path) else path
    pages = environment.info()['last_pgno'] + 1
    expected = pages * environment.stat()['psize']
    found = os.path.getsize(file)
    if found < expected:
        environment.close()
        raise OSError(f'the LMDB database {path} is cut off: {found} bytes, '
                      f'expected are {expected}; copy or pack it again')
    return environment


def keys_from(cursor: lmdb.Cursor, start: str = '') -> Iterator[str]:
    """Keys that begin with ``start``, in order; the table is left out."""
    prefix = encode_key(start)
    if not cursor.set_range(prefix or b'\0'):
        return
    for key in map(bytes, cursor.iternext(keys=True, values=False)):
        if not key.startswith(prefix):
            return
        if key != DIGESTS:
            yield key.decode(errors='surrogateescape')


def encode_key(path: str) -> bytes:
    """The key of a path: UTF-8."""
    return path.encode(errors='surrogateescape')
