"""Facts about installed packages, without importing them."""
from __future__ import annotations

import importlib.metadata as metadata
import operator
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version: ``'2.11.0+cpu'`` gives ``(2, 11)``.

    Trailing zeros go, so that 2.0 equals 2.0.0.
    """
    numbers = re.match(r'\d+(\.\d+)*', version)
    parts = [int(part) for part in numbers[0].split('.')] if numbers else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def satisfies(version: str, specifier: str) -> bool:
    """Whether a version lies in a range such as ``'>=2.11,<2.12'``."""
    compare = {
        '>=': operator.ge,
        '<=': operator.le,
        '==': operator.eq,
        '!=': operator.ne,
        '>': operator.gt,
        '<': operator.lt
    }
    return all(
        compare[sign](release(version), release(bound))
        for sign, bound in re.findall(r'([<>=!]+)\s*([\d.]+)', specifier))


def canonical(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r'[-_.]+', '-', name).lower()


def read_requirements(name: str) -> dict[str, str]:
    """Distribution name to version range, from ``requirements/<name>``."""
    lines = (ROOT / 'requirements' / name).read_text('utf-8').splitlines()
    pairs = (re.match(r'([\w.-]+)\s*([^;#]*)', line) for line in lines)
    return {canonical(pair[1]): pair[2].strip() for pair in pairs if pair}


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=None)
def installers() -> dict[str, list[str]]:
    """Import name to the distributions that installed files under it."""
    return {
        module: sorted({canonical(name)
                        for name in names})
        for module, names in metadata.packages_distributions().items()
    }


def folder_of(module: str) -> Path | None:
    """Where a top-level package lies, found without importing it."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    places = spec and spec.submodule_search_locations
    return Path(next(iter(places))) if places else None


def source_of(module: str, file: str) -> str:
    """The text of a package's file, or '' if there is none."""
    folder = folder_of(module)
    path = folder / file if folder else None
    return path.read_text('utf-8') if path and path.is_file() else ''
