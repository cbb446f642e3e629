"""The Python in docs/zoo.md runs as it stands there."""
import re
from pathlib import Path

import pytest
from tiny_recipes import (CLASSIFIER, DETECTOR, SEGMENTOR, tiny_checkpoint,
                          tiny_config, write_images)

PAGE = Path(__file__).parents[2] / 'docs/zoo.md'
BLOCKS = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)
RECIPES = dict(CLASSIFIER=CLASSIFIER, DETECTOR=DETECTOR, SEGMENTOR=SEGMENTOR)


def test_there_are_examples_of_three_lines():
    assert len(BLOCKS) == 4
    assert all(len(block.splitlines()) == 3 for block in BLOCKS)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('block', BLOCKS)
def test_example_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where inferencers write pictures
    kind = next((name for name in RECIPES if name in block), 'CLASSIFIER')
    prefix = f'{kind}_' if kind in block else ''
    config = tiny_config(RECIPES[kind], tmp_path)
    checkpoint = tiny_checkpoint(config)
    exec(block, {
        f'{prefix}CONFIG': str(config),
        f'{prefix}CHECKPOINT': str(checkpoint),
        'IMAGE': str(write_images(tmp_path / 'images', [(70, 90)])[0])
    })  # yapf: disable
