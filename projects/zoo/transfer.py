"""One file from an address, whole or not at all.

``requests`` speaks HTTP. Added here: a broken transfer goes on where it broke,
in this process or the next, and no address without encryption is followed.
"""
import ipaddress
import json
import os
import re
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

CHUNK = 1 << 20  # bytes read at once
PROGRESS = 1 << 20  # bytes after which failures are counted anew
MAX_WAIT = 30.  # seconds between attempts
RETRIED = (408, 429, 500, 502, 503, 504)


class DownloadError(ValueError):
    """A file that could not be had, with the reason."""


class _Interrupted(Exception):
    """A failure after which another attempt makes sense."""


def check_address(url: str, allow_loopback: bool = False) -> None:
    """Refuse addresses whose content others could change on the way.

    Args:
        url: The address.
        allow_loopback: Accept this machine's own addresses without
            encryption, for tests.

    Raises:
        DownloadError: If it is not HTTPS.
    """
    parts = urlsplit(url)
    if parts.scheme == 'https':
        return
    if parts.scheme == 'http' and allow_loopback:
        try:
            if ipaddress.ip_address(parts.hostname or '').is_loopback:
                return
        except ValueError:  # a name
            pass
    raise DownloadError(f'{url} is not an https:// address; files are not '
                        'taken over connections without encryption')


class SecureSession(requests.Session):
    """A session that checks every address, those of redirections too."""

    def __init__(self, allow_loopback: bool = False) -> None:
        super().__init__()
        self.allow_loopback = allow_loopback
        # offsets in a file mean nothing if it is compressed on the way
        self.headers['Accept-Encoding'] = 'identity'

    def send(self, request: requests.PreparedRequest,
             **kwargs) -> requests.Response:
        """Send a request, the first or that of a redirection."""
        check_address(request.url or '', self.allow_loopback)
        return super().send(request, **kwargs)


class Partial:
    """A file that is being received, and which version of it.

    Args:
        path: Where it is; a note beside it keeps the version.
        url: Where it comes from. Google Drive's addresses are new each time,
            so the version alone tells whether parts belong together.
    """

    def __init__(self, path: Path, url: str) -> None:
        self.path, self.url = path, url
        self.note = path.with_name(path.name + '.json')

    def request(self) -> dict[str, str]:
        """Headers that ask for the rest of the same version."""
        version = self._version()
        if not self.size or version is None:
            return {}
        return {'Range': f'bytes={self.size}-', 'If-Range': version}

    @property
    def size(self) -> int:
        """Bytes received."""
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, response: requests.Response) -> None:
        """Start anew with the version that a response names."""
        tag = response.headers.get('ETag', '')
        version = tag if tag.startswith('"') else response.headers.get(
            'Last-Modified')
        self.path.write_bytes(b'')
        self.note.write_text(json.dumps(dict(version=version)))

    def drop(self) -> None:
        """Forget what was received."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _version(self) -> str | None:
        """What If-Range needs; None if unknown."""
        try:
            return json.loads(self.note.read_text())['version']
        except (OSError, ValueError, KeyError, TypeError):
            return None


def transfer(url: str,
             path: Path,
             session: requests.Session,
             timeout: float = 30.,
             retries: int = 5,
             quiet: bool = False,
             wait: float = 1.) -> None:
    """Receive a file, going on with what is there of it already.

    Args:
        url: Its address.
        path: File to write; what a failed attempt received stays there.
        session: Sends the requests.
        timeout: Seconds without a byte after which an attempt has failed.
        retries: Failures in a row, with less than 1 MiB received between
            them, after which to give up.
        quiet: Show no progress bar.
        wait: Seconds before the second attempt; doubled each time.

    Raises:
        DownloadError: If it cannot be had; says why, and after how many
            attempts.
        OSError: If it cannot be written.
    """
    partial = Partial(path, url)
    failures = 0
    while True:
        before = partial.size
        try:
            _attempt(partial, session, timeout, quiet)
            return
        except (_Interrupted, requests.ConnectionError, requests.Timeout,
                HTTPError) as error:
            if partial.size - before >= PROGRESS:
                failures = 0
            failures += 1
            if failures > retries:
                raise DownloadError(
                    f'{url}: given up after {failures} attempts, '
                    f'{partial.size} bytes received: {error}') from None
            time.sleep(min(wait * 2**(failures - 1), MAX_WAIT))
        except requests.RequestException as error:
            raise DownloadError(f'{url}: {error}') from None


def _attempt(partial: Partial, session: requests.Session, timeout: float,
             quiet: bool) -> None:
    """One request; returns when the file is complete."""
    headers = partial.request()
    with session.get(
            partial.url, headers=headers, stream=True,
            timeout=timeout) as response:
        if response.status_code == 416:  # more is there than in the file
            partial.drop()
            raise _Interrupted('the file became shorter')
        if response.status_code in RETRIED:
            raise _Interrupted(f'HTTP {response.status_code}')
        if response.status_code not in (200, 206):
            raise DownloadError(f'{partial.url}: HTTP {response.status_code} '
                                f'{response.reason}')
        if response.status_code == 206:
            total = _range_total(response, partial)
        else:  # from the beginning: no ranges, or another version
            partial.begin(response)
            total = _length(response)
        _check_space(partial, total)
        _receive(response, partial, total, quiet)
    if total is not None and partial.size != total:
        raise _Interrupted(f'the server announced {total} bytes and sent '
                           f'{partial.size}')


def _length(response: requests.Response) -> int | None:
    """Announced bytes of a whole file."""
    value = response.headers.get('Content-Length', '')
    return int(value) if value.isdecimal() else None


def _range_total(response: requests.Response, partial: Partial) -> int | None:
    """Bytes of the whole file, from the header of a part of it."""
    header = response.headers.get('Content-Range', '')
    found = re.fullmatch(r'bytes (\d+)-\d+/(\d+|\*)', header)
    if found is None or int(found[1]) != partial.size:
        partial.drop()
        raise _Interrupted(f'the server sent the range {header!r}, which was '
                           'not asked for')
    return None if found[2] == '*' else int(found[2])


def _check_space(partial: Partial, total: int | None) -> None:
    free = shutil.disk_usage(partial.path.parent).free
    if total is not None and total - partial.size > free:
        raise OSError(f'{partial.url} has {total} bytes, but only {free} are '
                      f'free in {partial.path.parent}')


def _receive(response: requests.Response, partial: Partial, total: int | None,
             quiet: bool) -> None:
    # without buffers: whatever arrived outlives a killed process
    with open(
            partial.path, 'ab', buffering=0) as file, tqdm(
                total=total,
                initial=partial.size,
                unit='B',
                unit_scale=True,
                desc=partial.path.name.removesuffix('.part'),
                disable=True if quiet else None) as bar:
        # requests' iterator loses what came before an error
        while chunk := response.raw.read1(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
        os.fsync(file.fileno())
