"""Shared set-up: imports from the repository, quiet logs, fixed seeds."""
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]


@pytest.fixture(autouse=True, scope='module')
def _fresh_scope() -> None:
    """Every file starts without a scope that another one left."""
    DefaultScope._instance_dict.clear()


@pytest.fixture(autouse=True)
def _fresh_state() -> Iterator[None]:
    """Every test starts from the same random state and scope, in any order."""
    torch.manual_seed(0)
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    scopes = dict(DefaultScope._instance_dict)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(scopes)
