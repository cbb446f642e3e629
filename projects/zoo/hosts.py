"""From the address in a metafile to the address of the file itself.

Plain HTTPS servers and release files are what they are. Google Drive puts a
page before large files, which ``gdown`` can read.
"""
from urllib.parse import urlsplit

import requests
from gdown.download import get_url_from_gdrive_confirmation
from gdown.exceptions import FileURLRetrievalError
from gdown.parse_url import parse_url

from .transfer import DownloadError

DRIVE = 'drive.google.com'
DRIVE_FILE = f'https://{DRIVE}/uc?export=download&id='


def is_drive(url: str) -> bool:
    """Whether an address is one of Google Drive."""
    return urlsplit(url).hostname == DRIVE


def resolve(url: str,
            session: requests.Session,
            timeout: float,
            drive_file: str = DRIVE_FILE) -> str:
    """The address under which the bytes of a file are.

    Args:
        url: Address of a metafile.
        session: Sends the requests.
        timeout: Seconds to wait for an answer.
        drive_file: Start of the addresses of files on Google Drive.

    Raises:
        DownloadError: If Google Drive does not give the file out.
    """
    if not is_drive(url):
        return url
    file_id, _ = parse_url(url)
    if file_id is None:
        raise DownloadError(f'{url} names no file on Google Drive')
    address = drive_file + file_id
    try:
        with session.get(address, stream=True, timeout=timeout) as response:
            response.raise_for_status()
            if 'Content-Disposition' in response.headers:
                return address
            return get_url_from_gdrive_confirmation(response.text)
    except (requests.RequestException, FileURLRetrievalError) as error:
        raise DownloadError(
            f'{url}: Google Drive does not give the file out: {error} Save '
            'it with a browser and convert it by '
            'tools/convert_checkpoint.py') from None
