"""The app's page served in this process, and its tiny models."""
import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mmengine.config import Config
from tiny_recipes import PRETRAINING, tiny_checkpoint, tiny_config

from projects.app.choices import Choice
from projects.app.listen import listen, make_server
from projects.app.models import Models
from projects.app.server import TYPE, make_app

RECIPES = {
    'convmae': PRETRAINING,
    'mae': 'mimdet/demo/'
    'mae_vit-tiny-p16_1xb32-coslr-2k_shapes-det-128x128.py',
    'mimdet': 'mimdet/demo/'
    'mask-rcnn_mimdet-tiny_fpn_1xb8-600_shapes-det-128x128.py',
    'extrema': 'extrema/demo/'
    'extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_shapes.py',
    'video': 'videoconvmae/demo/'
    'videoconvmae_tiny_1xb32-coslr-5k_shapes.py',
}


def tiny_models(folder: Path, *names: str) -> Models:
    """Models of ``RECIPES`` with saved random weights."""
    choices = []
    for name in names or RECIPES:
        config = tiny_config(RECIPES[name], folder)
        if name == 'mimdet':  # drawing takes longer than detecting
            cfg = Config.fromfile(config)
            cfg.model.test_cfg.rcnn.max_per_img = 10
            cfg.dump(config)
        choices.append(Choice(name, str(config), str(tiny_checkpoint(config))))
    return Models(choices)


@dataclass(frozen=True)
class Page:
    """A page that is being served.

    Attributes:
        port: On this machine.
    """
    port: int

    def ask(self,
            method: str,
            path: str,
            body: Any = None,
            headers: dict[str, str] | None = None) -> tuple[int, bytes, dict]:
        """Status, body and headers of a response; the path goes as it is."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, 60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read(), dict(response.headers)

    def post(self, path: str, content: bytes, **query) -> tuple[int, Any]:
        """Status and answer to a picture."""
        status, body, headers = self.ask('POST', f'{path}?{urlencode(query)}',
                                         content, {'Content-Type': TYPE})
        if headers['content-type'] == 'application/json':
            return status, json.loads(body)
        return status, body


@contextlib.contextmanager
def served(models: Models, **options) -> Iterator[Page]:
    """Serve a page while the context lasts."""
    sock = listen('127.0.0.1', 0)
    server = make_server(make_app(models, **options))
    thread = threading.Thread(
        target=server.run, kwargs=dict(sockets=[sock]), daemon=True)
    thread.start()
    try:
        yield Page(sock.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()
