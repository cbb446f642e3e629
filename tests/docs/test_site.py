"""The documentation builds strictly into a site that needs no network."""
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import pages
from tooling import ROOT

# what a browser fetches by itself
FETCHED = re.compile(r'<(?:script|link|img|iframe)\b[^>]*?'
                     r'\b(?:src|href)="([^"]+)"')
FOLLOWED = re.compile(r'<(?:a|script|link|img)\b[^>]*?\b(?:src|href)="'
                      r'([^"#?]*)')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--quiet',
         '--site-dir', str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300)  # yapf: disable
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there(site):
    for path in pages():
        page = path.relative_to(ROOT).with_suffix('.html')
        if page.name == 'README.html':
            page = page.with_name('index.html')
        built = site / page
        if 'tests' not in page.parts:
            assert built.is_file(), page
            assert '```' not in built.read_text(), f'{page}: a bare fence'


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob('*.html'):
        for target in FETCHED.findall(page.read_text()):
            assert not re.match(r'(https?:)?//', target), f'{page}: {target}'
    for sheet in site.rglob('*.css'):
        assert not re.search(r'(url\(|@import )["\']?(https?:)?//',
                             sheet.read_text()), sheet


def test_links_lead_somewhere(site):
    """As files, without a server."""
    for page in site.rglob('*.html'):
        if page.name in ('404.html', 'search.html'):
            continue  # they have addresses of a server's root
        for target in FOLLOWED.findall(page.read_text()):
            if target and not re.match('[a-z]+:|//', target):
                assert (page.parent / target).exists(), f'{page}: {target}'


def test_a_dead_link_fails_the_build(tmp_path):
    """The same settings on a repository of one page."""
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'docs').mkdir()
    for name in ('tools/docs_hooks.py', ):
        (tmp_path / name).write_text((ROOT / name).read_text())
    config = (ROOT / 'mkdocs.yml').read_text()
    config = re.sub(r'^nav:.*', '', config, flags=re.M | re.S)
    (tmp_path / 'mkdocs.yml').write_text(config)
    for link, said in (('gone.md', 'gone.md'), ('README.md#gone', '#gone')):
        Path(tmp_path, 'README.md').write_text(f'# Page\n\n[link]({link})\n')
        done = subprocess.run(
            [sys.executable, '-m', 'mkdocs', 'build', '--strict'],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300)
        assert done.returncode != 0 and said in done.stderr, done.stderr
