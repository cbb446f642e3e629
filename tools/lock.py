"""Write requirements/lock.txt: every package of the environment, with hashes.

    .venv/bin/python tools/lock.py [--out FILE]

Run it in a fresh environment of `make setup`, with the index reachable. pip
is asked for each installed version which file it would install and what its
hash is, so the list is for this Python and platform, which its head names.
"""
import argparse
import importlib.metadata as metadata
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
# compiled for the torch that is there, so a wheel of elsewhere will not do
FROM_SOURCE = 'onedl-mmcv'


def roots() -> list[Requirement]:
    """What the files in requirements/ ask for by name."""
    files = ('torch', 'build', 'mminstall', 'runtime', 'app', 'docs', 'tests')
    lines = '\n'.join(
        Path(ROOT, f'requirements/{name}.txt').read_text() for name in files)
    return [
        Requirement(line) for line in lines.splitlines()
        if line and not line.startswith('#')
    ]


def installed(requirements: list[Requirement]) -> dict[str, str]:
    """Versions of these packages and of all that they need.

    Raises:
        PackageNotFoundError: If one is not installed.
    """
    found: dict[str, str] = {}
    waiting = list(requirements)
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        extras = wanted.extras or {''}
        if name in found and not wanted.extras:
            continue
        found[name] = metadata.version(name)
        for line in metadata.requires(name) or []:
            need = Requirement(line)
            if need.marker is None or any(
                    need.marker.evaluate(dict(extra=extra))
                    for extra in extras):
                waiting.append(need)
    return dict(sorted(found.items()))


def hashes(versions: dict[str, str]) -> dict[str, str]:
    """SHA-256 of the file that pip would install for each version.

    Raises:
        CalledProcessError: If pip does not find one.
    """
    with tempfile.TemporaryDirectory() as folder:
        pins, report = Path(folder, 'pins.txt'), Path(folder, 'report.json')
        pins.write_text('\n'.join(f'{name}=={version}'
                                  for name, version in versions.items()))
        subprocess.run([
            sys.executable, '-m', 'pip', 'install', '--dry-run', '--quiet',
            '--ignore-installed', '--no-deps', '--no-build-isolation',
            '--no-binary', FROM_SOURCE, '--report', report, '-r', pins
        ], check=True)  # yapf: disable
        items = json.loads(report.read_text())['install']
    return {
        canonicalize_name(item['metadata']['name']):
        sha256(item['download_info']['archive_info'])
        for item in items
    }


def sha256(archive: dict[str, Any]) -> str:
    """The hash in an ``archive_info`` of the direct URL format."""
    if 'hashes' in archive:
        return archive['hashes']['sha256']
    return archive['hash'].removeprefix('sha256=')  # pip before 23.1


def main(argv: list[str] | None = None) -> None:
    """Ask pip, and write the file whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'requirements/lock.txt')
    args = parser.parse_args(argv)
    versions = installed(roots())
    found = hashes(versions)
    head = (f'# Python {platform.python_version()}, {platform.system()} '
            f'{platform.machine()}; written by tools/lock.py. To install:\n'
            '# pip install --no-deps --no-build-isolation --require-hashes '
            '-r requirements/lock.txt\n'
            '# in an environment that has torch.txt and build.txt already, '
            'for the packages\n# that are built from source need them.\n')
    lines = (f'{name}=={version} --hash=sha256:{found[name]}\n'
             for name, version in versions.items())
    args.out.write_text(head + ''.join(lines))
    print(f'{args.out}: {len(versions)} packages')


if __name__ == '__main__':
    main()
