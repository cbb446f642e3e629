"""The list files of video data sets: which video is of which class.

Two kinds are read. A text file has a line per video, ``path label``, or
``path,label``; for folders of frames also ``path frames label``. A JSON file
is Something-Something's: entries with ``id`` and ``template``, and a second
file that numbers the templates.
"""
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmengine import fileio


@dataclass(frozen=True)
class Entry:
    """A listed video.

    Args:
        path: As in the list.
        label: Its class, or None where labels are not read.
        place: Where it is listed, for messages.
        total: The number of frames, if listed.
    """
    path: str
    label: int | None
    place: str
    total: int | None = None


class ListError(ValueError):
    """A list file that cannot be used."""


def read_text_list(file: str,
                   with_label: bool = True,
                   with_frames: bool = False) -> list[Entry]:
    """Entries of a text file, without header.

    The last word of a line is the label; what is before it is the path, which
    may hold spaces and commas.

    Args:
        file: The list.
        with_label: Whether lines have labels.
        with_frames: Whether paths are folders of frames; a number before the
            label is then their number.

    Raises:
        ListError: If the file cannot be read, or a line is not as expected.
    """
    parts = ['path'] + with_frames * ['frames'] + with_label * ['label']
    optional = 'frames, which may be missing' if with_frames else ''
    pattern = r'(?P<path>\S.*?)'
    if with_frames:
        pattern += r'(?:[\s,]+(?P<total>\d+))?'
    if with_label:
        pattern += r'[\s,]+(?P<label>-?\d+)'
    entries = []
    for number, line in enumerate(_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        match = re.fullmatch(pattern, line.strip())
        place = f'{file}:{number}'
        if match is None:
            raise ListError(
                f'{place}: {line.strip()!r} has no label; expected is '
                f'"{" ".join(parts)}" with spaces or commas, the label a '
                f'number{optional and f" ({optional})"}')
        found = match.groupdict()
        label, total = found.get('label'), found.get('total')
        entries.append(
            Entry(found['path'], None if label is None else int(label), place,
                  None if total is None else int(total)))
    return entries


def read_json_list(file: str,
                   labels: str | None,
                   suffix: str = '.webm') -> list[Entry]:
    """Entries of a list of Something-Something.

    Args:
        file: JSON, a list of objects with ``id`` and ``template``.
        labels: JSON, an object with a number for every template (without
            brackets); None: labels are not read.
        suffix: What follows the id in a file's name.

    Raises:
        ListError: If a file or an entry is not as expected.
    """
    entries = _json(file, list, 'a list of objects with "id" and "template"')
    numbers = None if labels is None else _json(
        labels, dict, 'an object with a number for every template')
    return list(_json_entries(file, entries, labels, numbers, suffix))


def _json_entries(file: str, entries: list, labels: str | None,
                  numbers: dict | None, suffix: str) -> Iterator[Entry]:
    for number, entry in enumerate(entries, start=1):
        place = f'{file}: entry {number}'
        if not isinstance(entry, dict) or 'id' not in entry:
            raise ListError(f'{place}: {entry!r} has no "id"')
        label = None
        if numbers is not None:
            template = re.sub(r'[\[\]]', '', str(entry.get('template', '')))
            if not template:
                raise ListError(f'{place} (id {entry["id"]}) has no label; '
                                'expected is a "template"')
            if template not in numbers:
                raise ListError(f'{place} (id {entry["id"]}): the template '
                                f'{template!r} is not in {labels}')
            label = _number(numbers[template], template, labels)
        yield Entry(f'{entry["id"]}{suffix}', label, place)


def _number(value: Any, template: str, labels: str | None) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ListError(f'{labels}: the label of {template!r} is {value!r}; '
                        'expected is a number') from None


def _text(file: str) -> str:
    try:
        return fileio.get_text(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ListError(f'the list {file} cannot be read: {error}') from None


def _json(file: str, kind: type, expected: str) -> Any:
    try:
        value = json.loads(_text(file))
    except json.JSONDecodeError as error:
        raise ListError(f'{file} is not JSON: {error}') from None
    if not isinstance(value, kind):
        raise ListError(f'{file} holds a {type(value).__name__}; expected is '
                        f'{expected}')
    return value
