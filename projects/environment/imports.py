"""Checks that import: every toolbox, and one compiled operator."""
from __future__ import annotations

import contextlib
import importlib
import io
import re
import sys
import warnings
from typing import Iterator

from .finding import (FAIL, OK, REBUILD, SETUP, Finding, headless, pip,
                      requirement, torchvision_remedy, uninstall)
from .installed import installers

# In dependency order: the first that fails explains those after it.
MODULES = ('numpy', 'cv2', 'av', 'torch', 'torchvision', 'mmengine.hooks',
           'mmcv.ops', 'mmdet.models', 'mmseg.models', 'mmpretrain.models')

# Message of an import error -> what it means, and the remedy.
CAUSES = (
    (r'torchvision', 'torchvision and torch do not match', torchvision_remedy),
    (r"No module named 'mmcv\._ext'", 'mmcv has no compiled operators',
     lambda: REBUILD),
    (r'mmcv.*_ext|PyInit__ext',
     'mmcv was compiled for another torch or Python',
     lambda: uninstall(installers()['mmcv'], 'remove the wheel it came from; '
                       f'then {REBUILD}')),
    (r'libGL|libgthread|libglib|libQt',
     'the desktop OpenCV needs system libraries',
     lambda: pip(f'install --force-reinstall --no-deps {headless()}')),
    (r"No module named 'cv2'", 'OpenCV is missing',
     lambda: pip(f'install {headless()}')),
    (r"No module named 'pkg_resources'", 'setuptools 82 dropped it',
     lambda: pip(f'install {requirement("setuptools", "build.txt")}')),
)


def explain(error: str) -> tuple[str, str]:
    """Cause and remedy of an import error's message."""
    for pattern, cause, remedy in CAUSES:
        if re.search(pattern, error, re.S):
            return f'{cause} ({error})', remedy()
    return error, SETUP


def check_imports() -> Iterator[Finding]:
    """Everything imports; stops at the first thing that does not."""
    for module in MODULES:
        try:
            with warnings.catch_warnings(), silence():
                warnings.simplefilter('ignore')
                importlib.import_module(module)
        except Exception as error:  # an import may raise anything
            found = f'{type(error).__name__}: {error}'.strip()
            yield Finding(f'import {module}', FAIL, *explain(found))
            return
        yield Finding(f'import {module}', OK, '')


def check_compiled_operator() -> Iterator[Finding]:
    """mmcv's compiled non-maximum suppression gives the right answer."""
    if not {'torch', 'mmcv.ops'} <= set(sys.modules):
        return
    torch, ops = sys.modules['torch'], sys.modules['mmcv.ops']
    boxes = torch.tensor([[0., 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    try:
        _, kept = ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
    except Exception as error:  # a wrong build may raise anything
        yield Finding('mmcv.ops.nms', FAIL, f'{type(error).__name__}: {error}',
                      REBUILD)
        return
    if kept.tolist() == [0, 2]:
        yield Finding('mmcv.ops.nms', OK, 'kept boxes 0 and 2 of 3')
    else:
        yield Finding('mmcv.ops.nms', FAIL,
                      f'kept boxes {kept.tolist()} instead of [0, 2]', REBUILD)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what packages print on import off the screen."""
    with contextlib.redirect_stdout(io.StringIO()), \
            contextlib.redirect_stderr(io.StringIO()):
        yield


LIVE = (check_imports, check_compiled_operator)
