"""Pictures of classified images: photographs beside names of classes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_LEAST_WIDTH_PX, _TEXT_PX = 160, 190
_TITLE_PX, _LINE_PX, _GAP_PX, _INDENT_PX = 18, 16, 6, 2
_FONT_PX = 12
_INK, _RIGHT, _WRONG = "black", "#1a7f37", "#cf222e"


class ClassifiedImage(NamedTuple):
    """An image [H, W, 3] in 0..255, its class, and the likeliest classes.

    `predicted` are pairs (name, probability), the likeliest first; `is_right`
    says of that one whether it is the true class: two may share a name.
    """

    image: np.ndarray
    truth: str
    predicted: Sequence[tuple[str, float]]
    is_right: bool


def class_sheet(rows: Sequence[ClassifiedImage]) -> np.ndarray:
    """Rows of image | truth | prediction, uint8 RGB.

    Smaller images are magnified. The likeliest class is green where it is the
    true one, else red.
    """
    pictures = [_magnified(row.image) for row in rows]
    width = max(one.width for one in pictures) + _GAP_PX
    heights = [
        max(one.height, _LINE_PX * max(1, len(row.predicted))) + _GAP_PX
        for one, row in zip(pictures, rows, strict=True)
    ]
    size = width + 2 * _TEXT_PX, _TITLE_PX + sum(heights)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    lefts = [one + _INDENT_PX for one in (0, width, width + _TEXT_PX)]
    titles = ("image", "truth", "prediction")
    for left, title in zip(lefts, titles, strict=True):
        draw.text((left, 2), title, _INK, _font())
    top = _TITLE_PX
    for picture, row, height in zip(pictures, rows, heights, strict=True):
        sheet.paste(picture, (0, top))
        draw.text((lefts[1], top), _clipped(row.truth), _INK, _font())
        for line, (name, share) in enumerate(row.predicted):
            ink = _INK
            if line == 0:
                ink = _RIGHT if row.is_right else _WRONG
            end = f"  {share:.0%}"
            place = lefts[2], top + line * _LINE_PX
            draw.text(place, _clipped(name, end), ink, _font())
        top += height
    return np.asarray(sheet)


def _magnified(image: np.ndarray) -> Image.Image:
    scale = -(-_LEAST_WIDTH_PX // image.shape[1])
    image = np.asarray(image, np.uint8)
    return Image.fromarray(image.repeat(scale, axis=0).repeat(scale, axis=1))


def _clipped(name: str, end: str = "") -> str:
    """As much of a name as fits into a column, with what must follow it."""
    room = _TEXT_PX - _GAP_PX - _INDENT_PX
    if _font().getlength(name + end) <= room:
        return name + end
    while name and _font().getlength(f"{name}...{end}") > room:
        name = name[:-1]
    return f"{name}...{end}"


def _font() -> ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_PX)
