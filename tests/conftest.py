"""Shared set-up: imports, quiet logs, fixed seeds, no network."""
import ipaddress
import logging
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]

from tooling import forget_runs  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        '--shuffle',
        type=int,
        metavar='SEED',
        help='run the files, and the tests in each, in a random order')


def pytest_collection_modifyitems(config: pytest.Config,
                                  items: list[pytest.Item]) -> None:
    seed = config.getoption('--shuffle')
    if seed is None:
        return
    chance = random.Random(seed)
    places = {
        path: chance.random()
        for path in sorted({i.path
                            for i in items})
    }
    chance.shuffle(items)
    items.sort(key=lambda item: places[item.path])


@pytest.fixture(autouse=True, scope='module')
def _fresh_scope() -> None:
    """Every file starts without a scope that another one left."""
    DefaultScope._instance_dict.clear()
    forget_runs(Visualizer)


@pytest.fixture(autouse=True)
def _fresh_state() -> Iterator[None]:
    """Every test starts from the same random state and scope, in any order."""
    torch.manual_seed(0)
    forget_runs(Visualizer)
    logger = MMLogger.get_current_instance()
    logger.setLevel(logging.WARNING)
    for handler in list(logger.handlers):
        # of a run that has ended; its file is closed
        if isinstance(handler, logging.FileHandler) and not handler.stream:
            logger.removeHandler(handler)
    scopes = dict(DefaultScope._instance_dict)
    yield
    forget_runs(Visualizer)
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(scopes)


def _is_local(address: Any) -> bool:
    """Whether a connection stays on this machine."""
    if not isinstance(address, tuple) or address[0] == 'localhost':
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return False  # a name


@pytest.fixture(autouse=True, scope='session')
def _no_network() -> Iterator[None]:
    """Tests do not depend on the network: a connection to it is an error."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if not _is_local(address):
            raise AssertionError(f'a test connects to {address}')
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, 'connect', guarded)
        yield
