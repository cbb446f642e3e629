"""Downloaded files, shared by all runs and processes of a user.

``GLIMPSE_CACHE`` is the folder, ``~/.cache/glimpse`` by default. A file has a
folder of its own, named after its address, with a record of its SHA-256.
"""
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from projects.common.safe_load import CheckpointError
from projects.engine.checkpoint_io import check_file, write_text

from .hosts import resolve
from .transfer import DownloadError, SecureSession, transfer

RECORD = 'record.json'


def cache_folder() -> Path:
    """Where downloaded and converted files are kept."""
    default = Path('~/.cache/glimpse')
    return Path(os.environ.get('GLIMPSE_CACHE') or default).expanduser()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Work on a folder of the cache as the only process.

    The operating system frees the lock of a process that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(folder / 'lock'))
    try:
        lock.acquire(timeout=1)
    except Timeout:
        print(f'waiting for another process that works on {folder}')
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while part := file.read(2**20):  # file_digest is new in Python 3.11
            digest.update(part)
    return digest.hexdigest()


def cached_file(url: str,
                filename: str,
                sha256: str | None = None,
                offline: bool = False,
                allow_loopback: bool = False,
                **options) -> Path:
    """A file of the network, from the cache if it is there.

    Args:
        url: Its address.
        filename: Name to give it.
        sha256: Its hash, if known. If not, the hash of the first download is
            recorded and later downloads have to match it.
        offline: Use the cache only.
        allow_loopback: See :func:`~projects.zoo.transfer.check_address`.
        options: Of :func:`~projects.zoo.transfer.transfer`.

    Returns:
        Its path in the cache, not to be changed.

    Raises:
        DownloadError: If it cannot be had, or has another hash; the file is
            then not kept.
        OSError: If it cannot be written.
    """
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = cache_folder() / 'files' / key
    path = folder / filename
    with locked(folder):
        record = _read_record(folder)
        expected = sha256 or record.get('sha256')
        if path.exists():
            _check_hash(path, expected, url)
            return path
        if offline:
            raise DownloadError(
                f'{url} is not in the cache {cache_folder()}; fetch it once '
                'without --offline')
        _download(url, path, expected, allow_loopback, options)
        digest = expected or sha256_of(path)
        write_text(
            str(folder / RECORD), json.dumps(dict(url=url, sha256=digest)))
    return path


def _read_record(folder: Path) -> dict:
    """What is known of a file from its first download."""
    try:
        return json.loads((folder / RECORD).read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise DownloadError(f'{folder / RECORD} is damaged; delete the '
                            'folder to download anew') from None


def _download(url: str, path: Path, expected: str | None, allow_loopback: bool,
              options: dict) -> None:
    partial = path.with_name(path.name + '.part')
    with SecureSession(allow_loopback) as session:
        address = resolve(url, session, options.get('timeout', 30.))
        transfer(address, partial, session, **options)
    try:
        check_content(partial, url)
        _check_hash(partial, expected, url)
    except ValueError:
        partial.unlink()
        raise
    os.replace(partial, path)
    partial.with_name(partial.name + '.json').unlink(missing_ok=True)


def _check_hash(path: Path, expected: str | None, url: str) -> None:
    if expected is None:
        return
    found = sha256_of(path)
    if found != expected:
        raise DownloadError(
            f'{path} from {url} has the SHA-256 {found}, expected '
            f'{expected}: the file on the server was changed, or the copy '
            f'is damaged. If the new file is wanted, delete {path.parent}')


def check_content(path: Path, url: str) -> None:
    """Refuse what is no whole checkpoint, such as a web page.

    Raises:
        DownloadError: If it is none.
    """
    with open(path, 'rb') as file:
        start = file.read(512)
    if start.startswith(b'PK'):
        try:
            check_file(str(path))
        except CheckpointError as error:
            raise DownloadError(f'{url}: {error}') from None
    elif not start.startswith(b'\x80') and not _is_safetensors(path, start):
        page = b'<html' in start.lower() or b'<!doctype' in start.lower()
        raise DownloadError(
            f'{url} gave {"a web page" if page else "a file"} that is no '
            f'checkpoint, {path.stat().st_size} bytes')


def _is_safetensors(path: Path, start: bytes) -> bool:
    """A length, then a JSON header of that length within the file."""
    length = int.from_bytes(start[:8], 'little')
    return start[8:9] == b'{' and length + 8 <= path.stat().st_size


def copy_to(path: Path, folder: Path) -> Path:
    """Copy a file of the cache, whole or not at all.

    Returns:
        The copy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    temporary = target.with_name(f'{target.name}.{os.getpid()}.tmp')
    try:
        shutil.copyfile(path, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target
