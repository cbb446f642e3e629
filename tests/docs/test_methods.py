"""What docs/methods.md says stands in the code stands there."""
import ast
import re

import pytest
from tooling import ROOT

PLACES = re.findall(r'`(projects/[\w/]+\.py)`: `([\w.]+)`',
                    (ROOT / 'docs/methods.md').read_text())


def test_every_method_is_there():
    assert len(PLACES) > 30
    for name in ('convmae', 'videoconvmae', 'mimdet', 'extrema'):
        assert any(file.startswith(f'projects/{name}/') for file, _ in PLACES)


@pytest.mark.parametrize('file, name', PLACES)
def test_place_exists(file, name):
    body = ast.parse((ROOT / file).read_text()).body
    for part in name.split('.'):
        found = [node for node in body if getattr(node, 'name', '') == part]
        assert len(found) == 1, f'{file} has no {name}'
        body = found[0].body
