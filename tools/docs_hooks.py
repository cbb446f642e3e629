"""mkdocs: a site of all Markdown files, at their places in the repository.

``mkdocs.yml`` names this file; ``make docs`` builds. mkdocs takes pages from
one folder; here they lie beside the code and configs that they describe, and
the links between them are those that work in the repository.
"""
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

# files and folders of the repository whose pages are in the site
SOURCES = ('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'docs', 'configs',
           'projects')
LINK = re.compile(r'\]\(([^)\s#:]+)[)#]')


def anchor(heading: str, separator: str = '-') -> str:
    """The anchor of a heading, as GitHub makes it."""
    kept = re.sub(r'[^\w\- ]', '', heading.strip().lower())
    return kept.replace(' ', separator)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make anchors as GitHub does."""
    config.mdx_configs.setdefault('toc', {})['slugify'] = anchor
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """All pages, what they link to, and the theme's own files."""
    root = Path(config.config_file_path).parent
    theme = [
        file for file in files
        if not str(file.abs_src_path).startswith(config.docs_dir)
    ]
    pages = [page for source in SOURCES for page in _pages(root / source)]
    paths = {*pages, *(path for page in pages for path in _linked(page, root))}
    return Files([
        *theme, *(File.generated(
            config, path.relative_to(root).as_posix(), abs_src_path=str(path))
                  for path in sorted(paths))
    ])


def _pages(source: Path) -> list[Path]:
    """A page itself, or those in a folder."""
    if source.is_dir():
        return sorted(source.rglob('*.md'))
    return [source] if source.is_file() else []


def _linked(page: Path, root: Path) -> list[Path]:
    """Pictures, configs and other files that a page links to."""
    targets = (
        page.parent / link
        for link in LINK.findall(page.read_text(encoding='utf-8')))
    return [
        path.resolve() for path in targets if path.suffix != '.md'
        and path.is_file() and path.resolve().is_relative_to(root)
    ]
