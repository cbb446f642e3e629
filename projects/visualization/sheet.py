"""Sheets of pictures: rows with captions under columns with titles."""
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_MARGIN, _TITLE, _CAPTION, _MIN_SIDE = 8, 18, 13, 128  # pixels


@dataclass(frozen=True)
class SheetRow:
    """A row of pictures of one size, uint8 RGB arrays (H, W, 3)."""
    caption: str
    pictures: Sequence[np.ndarray]

    @property
    def scale(self) -> int:
        """How many times small pictures are enlarged."""
        return -(-_MIN_SIDE // max(self.pictures[0].shape[:2]))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width on the sheet."""
        height, width = self.pictures[0].shape[:2]
        return self.scale * height, self.scale * width


def draw_sheet(rows: Sequence[SheetRow], columns: Sequence[str],
               title: str) -> Image.Image:
    """All pictures, with captions.

    Small images are enlarged by whole numbers, so a pixel stays a square.
    """
    column = max(row.size[1] for row in rows) + _MARGIN
    line = _CAPTION + _MARGIN
    header = _MARGIN + _TITLE + _MARGIN + line
    sheet = Image.new(
        'RGB',
        (_MARGIN + len(columns) * column, header + sum(row.size[0] + line
                                                       for row in rows)),
        'white')
    draw = ImageDraw.Draw(sheet)
    small = ImageFont.load_default(_CAPTION)
    draw.text((_MARGIN, _MARGIN), title, 'black',
              ImageFont.load_default(_TITLE))
    for index, caption in enumerate(columns):
        draw.text((_MARGIN + index * column, header - line), caption, 'black',
                  small)
    top = header
    for row in rows:
        height, width = row.size
        for index, picture in enumerate(row.pictures):
            image = Image.fromarray(picture).resize((width, height),
                                                    Image.Resampling.NEAREST)
            sheet.paste(image, (_MARGIN + index * column, top))
        draw.text((_MARGIN, top + height + 2), row.caption, 'dimgray', small)
        top += height + line
    return sheet


def check_png(out: str) -> None:
    """Refuse another file than a PNG.

    Raises:
        ValueError: If the name does not end in .png.
    """
    if Path(out).suffix.lower() != '.png':
        raise ValueError(f'--out is {out}; a file name ending in .png is '
                         'expected')


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG that is never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.tmp')
    try:
        image.save(temporary, format='PNG')
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
