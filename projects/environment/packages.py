"""Checks of what is installed; none imports a package."""
from __future__ import annotations

import importlib.metadata as metadata
import platform
import re
from importlib.util import find_spec
from typing import Iterator

from .finding import (FAIL, NOTE, OK, REBUILD, SETUP, WARN, Finding, headless,
                      pip, requirement, torchvision_remedy, uninstall)
from .installed import (ROOT, folder_of, installers, read_requirements,
                        release, satisfies, source_of, version_of)

TOOLBOXES = ('mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain')


def check_python() -> Iterator[Finding]:
    """The interpreter's version is in the range of ``setup.cfg``."""
    text = (ROOT / 'setup.cfg').read_text('utf-8')
    wanted = re.search(r'^python_requires\s*=\s*(.+)$', text, re.M)
    assert wanted, 'setup.cfg states no python_requires'
    version = platform.python_version()
    if satisfies(version, wanted[1]):
        yield Finding('python', OK, version)
    else:
        yield Finding(
            'python', FAIL, f'{version}, needed {wanted[1]}',
            'install such a Python (3.11 is the tested one), then '
            '`GLIMPSE_PYTHON=/path/to/python3.11 make setup`')


def check_torch() -> Iterator[Finding]:
    """A torch that everything was tried with."""
    version, pinned = version_of('torch'), read_requirements('torch.txt')
    wanted = read_requirements('runtime.txt')['torch']
    if version is None:
        yield Finding('torch', FAIL, 'not installed', SETUP)
    elif not satisfies(version, wanted):
        yield Finding(
            'torch', FAIL, f'{version}, needed {wanted}, the release that was '
            'tried',
            pip(f'install torch{pinned["torch"]} '
                f'torchvision{pinned["torchvision"]}') + f', then {SETUP}')
    else:
        yield Finding('torch', OK, version)


def check_torchvision() -> Iterator[Finding]:
    """A torchvision, compiled against the installed torch."""
    version, torch = version_of('torchvision'), version_of('torch')
    if version is None:
        yield Finding('torchvision', FAIL,
                      'not installed, but mmpretrain imports it', SETUP)
        return
    needs = ' '.join(metadata.requires('torchvision') or [])
    partner = re.search(r'\btorch\s*\(?==\s*([\d.]+)', needs)
    if torch and partner and release(torch) != release(partner[1]):
        yield Finding('torchvision', FAIL,
                      f'{version} belongs to torch {partner[1]}, not {torch}',
                      torchvision_remedy())
    else:
        yield Finding('torchvision', OK, version)


def check_numpy() -> Iterator[Finding]:
    """A numpy that every toolbox accepts."""
    version = version_of('numpy')
    wanted = read_requirements('runtime.txt')['numpy']
    if version is None:
        yield Finding('numpy', FAIL, 'not installed', SETUP)
        return
    for toolbox in TOOLBOXES:
        for distribution in installers().get(toolbox, []):
            for need in metadata.requires(distribution) or []:
                bound = re.match(r'numpy\s*\(?([<>=!][^;)]*)', need)
                if bound and not satisfies(version, bound[1]):
                    yield Finding(
                        'numpy', FAIL,
                        f'{version}, but {distribution} needs {bound[1]}',
                        pip(f'install "numpy{wanted}"'))
                    return
    if satisfies(version, wanted):
        yield Finding('numpy', OK, version)
    else:
        yield Finding('numpy', WARN, f'{version}, tested with {wanted}',
                      pip(f'install "numpy{wanted}"') + ' if it breaks')


def check_opencv() -> Iterator[Finding]:
    """OpenCV is there, and its variants have one version."""
    found = {
        name: version
        for name in ('opencv-python-headless', 'opencv-python',
                     'opencv-contrib-python', 'opencv-contrib-python-headless')
        if (version := version_of(name))
    }
    listed = ', '.join(f'{name} {found[name]}' for name in found)
    if folder_of('cv2') is None:
        yield Finding(
            'opencv', FAIL, 'not installed (no module cv2): mmengine and mmcv '
            'import it, mmengine does not declare it',
            pip(f'install {headless()}'))
    elif len(set(found.values())) > 1:
        yield Finding(
            'opencv', FAIL, f'{listed}: they share the folder cv2 and '
            'overwrite each other', uninstall(found, SETUP))
    else:
        yield Finding('opencv', OK, listed or 'cv2')


def check_page() -> Iterator[Finding]:
    """What serves the page of ``make app``."""
    for name, wanted in read_requirements('app.txt').items():
        version = version_of(name)
        if version is None:
            yield Finding(name, WARN, 'not installed, but `make app` needs it',
                          SETUP)
        elif satisfies(version, wanted):
            yield Finding(name, OK, version)
        else:
            yield Finding(name, WARN, f'{version}, needed {wanted}',
                          pip(f'install "{name}{wanted}"'))


def check_setuptools() -> Iterator[Finding]:
    """pkg_resources, which setuptools 82 dropped, where it is used."""
    if find_spec('pkg_resources'):
        yield Finding('setuptools', OK, version_of('setuptools') or '?')
        return
    found = f'setuptools {version_of("setuptools")} has no pkg_resources'
    remedy = pip(f'install {requirement("setuptools", "build.txt")}')
    used = 'pkg_resources' in source_of('mmengine', 'utils/package_utils.py')
    if used:
        yield Finding('setuptools', FAIL, f'{found}; this mmengine imports it',
                      remedy)
    else:
        yield Finding('setuptools', NOTE,
                      f'{found}; only the original packages use it', remedy)


def check_toolboxes() -> Iterator[Finding]:
    """Each toolbox comes from one distribution, of the tested version.

    The original packages and their continuations share import names, and pip
    installs both over each other without a word.
    """
    pinned = read_requirements('mminstall.txt')
    for toolbox in TOOLBOXES:
        names = installers().get(toolbox, [])
        listed = ', '.join(f'{name} {version_of(name)}' for name in names)
        if folder_of(toolbox) is None:
            yield Finding(toolbox, FAIL, 'not installed', SETUP)
        elif len(names) > 1:
            yield Finding(
                toolbox, FAIL, f'installed by {len(names)} distributions that '
                f'overwrite each other: {listed}', uninstall(names, SETUP))
        elif not names:
            yield Finding(
                toolbox, WARN,
                f'{folder_of(toolbox)}, a folder pip did not install',
                f'{SETUP} for the tested set')
        elif names[0] in pinned and satisfies(
                version_of(names[0]) or '', pinned[names[0]]):
            yield Finding(toolbox, OK, listed)
        else:
            yield Finding(
                toolbox, WARN, f'{listed}, not the tested release',
                f'{SETUP} for the set of requirements/mminstall.txt')


def check_operators() -> Iterator[Finding]:
    """mmcv's compiled operators are there: mmcv-lite has none."""
    folder = folder_of('mmcv')
    if folder and not list(folder.glob('_ext*')):
        names = installers().get('mmcv', ['mmcv'])
        yield Finding(
            'mmcv operators', FAIL, f'{", ".join(names)} has no mmcv._ext: a '
            '"lite" package, or built where torch was not visible',
            uninstall(names, REBUILD))


def check_limits() -> Iterator[Finding]:
    """The mmcv and mmengine versions that toolboxes accept at import.

    mmdet, mmseg and mmpretrain write them in ``__init__.py``, as
    ``mmcv_maximum_version = '2.2.0'`` or ``MMCV_MAX = '2.2.0'``; the maximum
    itself is refused.
    """
    for toolbox in ('mmdet', 'mmseg', 'mmpretrain'):
        limits = re.findall(r"^(mmcv|mmengine)_(min|max)\w*\s*=\s*'([^']+)'",
                            source_of(toolbox, '__init__.py'), re.M | re.I)
        for package, kind, bound in limits:
            package = package.lower()
            sign = '>=' if kind.lower() == 'min' else '<'
            for name in installers().get(package, []):
                version = version_of(name)
                if version and not satisfies(version, sign + bound):
                    yield Finding(
                        package, FAIL,
                        f'{name} {version}, but {toolbox} needs '
                        f'{sign}{bound}',
                        uninstall([name], f'{SETUP} (or install an {package} '
                                  f'{sign}{bound})'))


def check_mmseg_bases() -> Iterator[Finding]:
    """Whether a config may inherit from ``mmseg::``."""
    if folder_of('mmseg') and version_of('mmsegmentation') is None:
        yield Finding(
            'mmseg:: bases', NOTE, 'do not resolve: mmengine looks for a '
            'distribution called mmsegmentation',
            'nothing to do for the configs here; in your own, inherit from '
            'configs/_base_ instead')


def check_checkpoint_loading() -> Iterator[Finding]:
    """How this mmengine reads checkpoints with torch 2.6 and later."""
    source = source_of('mmengine', 'runner/checkpoint.py')
    torch = version_of('torch')
    if not source or not torch or not satisfies(torch, '>=2.6'):
        return
    if '_safe_torch_load' in source:
        yield Finding(
            'checkpoint loading', NOTE, 'this mmengine falls back to unsafe '
            'unpickling when a file is not plain weights',
            'open files of strangers only through the loaders of this '
            'project, which refuse them')
    elif 'weights_only' not in source:
        yield Finding(
            'checkpoint loading', WARN, 'this mmengine cannot resume with '
            'torch >= 2.6 (UnpicklingError for HistoryBuffer)',
            f'{SETUP} for the tested set, or set '
            'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 for files you trust')


STATIC = (check_torch, check_torchvision, check_numpy, check_opencv,
          check_setuptools, check_toolboxes, check_operators, check_limits,
          check_mmseg_bases, check_checkpoint_loading, check_page)
