"""Links between the Markdown files: their targets and anchors exist."""
import re
from functools import lru_cache
from pathlib import Path

import pytest
from doc_blocks import pages
from tooling import ROOT

from tools.docs_hooks import anchor

LINK = re.compile(r'\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)')
REFERENCE = re.compile(r'^\[[^\]]+\]:\s*(\S+)', re.M)
CODE = re.compile(r'^```.*?^```$|`[^`\n]+`', re.M | re.S)


def links_of(path: Path) -> list[str]:
    """Relative targets of a page's links and pictures."""
    text = CODE.sub('', path.read_text(encoding='utf-8'))
    targets = LINK.findall(text) + REFERENCE.findall(text)
    return [target for target in targets
            if not re.match(r'[a-z]+:', target)]  # yapf: disable


@lru_cache(maxsize=None)
def anchors_of(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r'^```.*?^```$', '', path.read_text(encoding='utf-8'),
                  flags=re.M | re.S)  # yapf: disable
    headings = re.findall(r'^#+ +(.+?) *#*$', text, re.M)
    plain = (
        re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading)
        for heading in headings)
    return {anchor(heading.replace('`', '')) for heading in plain}


@pytest.mark.parametrize(
    'path', pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for link in links_of(path):
        file, _, fragment = link.partition('#')
        target = (path.parent / file).resolve() if file else path
        assert target.is_file(), f'{link}: there is no such file'
        assert target.is_relative_to(ROOT), f'{link} leaves the repository'
        if fragment and target.suffix == '.md':
            assert fragment in anchors_of(target), f'{link}: no such heading'


def test_dead_links_would_be_found(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('# One: `two` & [three](x.py)\n'
                    '[a](gone.md) ![b](b.png "title") [c](#one) `[d](d.md)`\n'
                    '```\n# no heading\n[e](e.md)\n```\n[f]: f.md\n'
                    '[g](https://example.org)\n')
    assert links_of(page) == ['x.py', 'gone.md', 'b.png', '#one', 'f.md']
    assert anchors_of(page) == {'one-two--three'}
