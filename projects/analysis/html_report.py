"""A work folder as one HTML page that needs nothing else.

The page holds no script and no address: pictures are in it, and a content
security policy forbids whatever could be loaded or run. All text goes through
Jinja2's or Pygments' escaping.
"""
import base64
import io
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup
from PIL import Image, ImageOps
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from projects.engine.checkpoint_io import write_text

from .curves import Entry, curve_figure
from .work_folder import (Run, Validation, find_pictures, find_runs,
                          quantities, readable)

LONGEST_SIDE = 1600  # pixels; larger pictures are made smaller
AS_IT_IS = 300_000  # bytes; larger files are compressed anew
ALL_PICTURES = 20_000_000  # bytes; the rest is only listed
VALIDATIONS = 50  # rows of a table; the last ones
_CODE = HtmlFormatter(cssclass='code', style='friendly')


class Picture(NamedTuple):
    """A picture in the page: its name and address, or what is wrong."""
    name: str
    data: str
    problem: str = ''


def write_report(folder: Path, out: Path, max_pictures: int = 40) -> int:
    """Write a report of all runs in a folder.

    Args:
        folder: A work directory, or a folder of several.
        out: The page to write.
        max_pictures: More pictures are only listed.

    Returns:
        The number of runs.

    Raises:
        OSError: If there is no run in the folder, or the page cannot be
            written; a page of before is then as it was.
        ValueError: If a log is not one.
    """
    runs = find_runs(folder)
    own = [run for run in runs if run.folder == folder]
    loose = [] if own else find_pictures_beside(folder)
    budget = _Budget(max_pictures)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True)
    environment.filters['number'] = number
    environment.filters['megabytes'] = lambda size: f'{size / 1e6:.1f} MB'
    table = folder / 'results.md'
    text = environment.get_template('report.html').render(
        title=readable(folder.resolve(),
                       folder.resolve().parent),
        time=datetime.now().strftime('%Y-%m-%d %H:%M'),
        style=Markup(_CODE.get_style_defs('.code')),
        results=table.read_text(errors='replace') if table.is_file() else '',
        pictures=list(budget.embed(loose, folder)),
        runs=[_section(run, folder, budget) for run in runs],
        left_out=budget.left_out)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(str(out), text)
    return len(runs)


def find_pictures_beside(folder: Path) -> list[Path]:
    """Images right in a folder, not in those inside of it."""
    return find_pictures(folder,
                         [path for path in folder.iterdir() if path.is_dir()])


def _section(run: Run, root: Path, budget: '_Budget') -> dict:
    """What the page says of a run."""
    training = quantities(run.entries)
    metrics = list(
        dict.fromkeys(name for validation in run.validations
                      for name in validation.metrics))
    return dict(
        name=readable(root / run.name, root),
        run=run,
        config=highlight(run.config, PythonLexer(), _CODE),
        facts=_facts(run),
        quantities=training,
        metrics=metrics,
        validations=run.validations[-VALIDATIONS:],
        curves=[
            *_curves(run.name, run.entries,
                     [quantity.name for quantity in training]),
            *_curves(run.name, _entries(run.validations), metrics)
        ],
        pictures=list(budget.embed(run.pictures, root)))


def _facts(run: Run) -> dict[str, str]:
    """The few numbers that one looks for first."""
    facts = {}
    if run.entries:
        last = run.entries[-1]
        facts['last logged iteration'] = str(last.get('iter', last['step']))
        if 'loss' in last:
            facts['last loss'] = number(last['loss'])
    if run.validations:
        shown = list(run.validations[-1].metrics.items())[:4]
        facts.update({f'last {key}': number(value) for key, value in shown})
    for name, metrics in list(run.tests.items())[-1:]:
        facts.update({
            f'test {key}': number(value)
            for key, value in list(metrics.items())[:4]
        })
    facts['starts'] = str(len(run.starts))
    return facts


def _entries(validations: Sequence[Validation]) -> list[Entry]:
    return [dict(item.metrics, step=item.step) for item in validations]


def _curves(name: str, entries: list[Entry],
            keys: Sequence[str]) -> Iterator[Picture]:
    """A picture of each quantity."""
    for key in keys:
        file = io.BytesIO()
        curve_figure({
            name: entries
        }, [key]).savefig(
            file, format='png', dpi=110)
        yield Picture(key, _data('png', file.getvalue()))


def _data(kind: str, content: bytes) -> str:
    """An address that holds a picture."""
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'


class _Budget:
    """Embeds pictures until there are enough of them.

    Attributes:
        left_out: Names of the others.
    """

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures
        self.bytes = ALL_PICTURES
        self.left_out: list[str] = []

    def embed(self, paths: Sequence[Path], root: Path) -> Iterator[Picture]:
        """The pictures that there is room for."""
        for path in paths:
            name = readable(path, root)
            if self.pictures < 1 or self.bytes < 1:
                self.left_out.append(name)
                continue
            try:
                data = _encode(path)
            except (OSError, ValueError, SyntaxError, Warning,
                    Image.DecompressionBombError) as error:
                yield Picture(name, '', f'cannot be shown: {error}')
                continue
            self.pictures -= 1
            self.bytes -= len(data)
            yield Picture(name, data)


def _encode(path: Path) -> str:
    """A picture as an address, of bounded size."""
    with warnings.catch_warnings():
        warnings.simplefilter('error', Image.DecompressionBombWarning)
        with Image.open(path, formats=('PNG', 'JPEG')) as image:
            kind = str(image.format).lower()
            image.load()
            if (max(image.size) <= LONGEST_SIDE
                    and path.stat().st_size <= AS_IT_IS):
                return _data(kind, path.read_bytes())
            upright = ImageOps.exif_transpose(image).convert('RGB')
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    file = io.BytesIO()
    upright.save(file, 'JPEG', quality=88)
    return _data('jpeg', file.getvalue())


def number(value: float) -> str:
    """A number with the digits that matter."""
    return f'{value:.5g}'
