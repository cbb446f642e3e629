"""Shared set-up: imports from the repository, quiet logs, fixed seeds."""
import logging
import sys
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Every test starts from the same random state, in any order."""
    torch.manual_seed(0)
    MMLogger.get_current_instance().setLevel(logging.WARNING)
