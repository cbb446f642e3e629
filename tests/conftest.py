"""Shared set-up: imports from the repository, quiet logs, fixed seeds."""
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]


def _forget_visualizers(kind: type[Visualizer]) -> None:
    """Visualizers are kept by name and write where the first run did."""
    kind._instance_dict.clear()
    for inner in kind.__subclasses__():
        _forget_visualizers(inner)


@pytest.fixture(autouse=True, scope='module')
def _fresh_scope() -> None:
    """Every file starts without a scope that another one left."""
    DefaultScope._instance_dict.clear()
    _forget_visualizers(Visualizer)


@pytest.fixture(autouse=True)
def _fresh_state() -> Iterator[None]:
    """Every test starts from the same random state and scope, in any order."""
    torch.manual_seed(0)
    _forget_visualizers(Visualizer)
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    scopes = dict(DefaultScope._instance_dict)
    yield
    _forget_visualizers(Visualizer)
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(scopes)
