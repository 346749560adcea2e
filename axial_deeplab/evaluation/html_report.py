"""A report as one HTML file that needs no network."""

import base64
import dataclasses
import html
import io
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from axial_deeplab.evaluation import html_look
from axial_deeplab.evaluation.tables import Cell, Table, cell_text
from axial_deeplab.evaluation.whole_files import write_text

# Cells of the confusion matrix that need white figures.
_DARK_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Pixels by true class (rows) and predicted class (columns)."""

    rows: Sequence[str]
    columns: Sequence[str]
    pixels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Pictures of one image by caption, uint8 [H, W, 3].

    `key` has the colours of the classes in them.
    """

    title: str
    pictures: Mapping[str, np.ndarray]
    key: Mapping[str, tuple[int, int, int]]


@dataclasses.dataclass(frozen=True)
class Training:
    """Where the evaluated model comes from.

    `settings` are its options as text, `curves` a picture of its training.
    """

    settings: str
    curves: np.ndarray


@dataclasses.dataclass(frozen=True)
class Page:
    """What a page shows, from top to bottom.

    `tables` are scores; `confusion` is shown as shares of the true class,
    without classes that do not occur; `comparisons` are pictures side by side,
    a row an image, and `legend` says what they show.
    """

    title: str
    tables: Sequence[Table]
    comparisons: Sequence[Comparison] = ()
    legend: str = ""
    confusion: Confusion | None = None
    training: Training | None = None


def write_html(path: str | os.PathLike, page: Page) -> None:
    """Writes the page, whole or not at all."""
    parts = [f"<h1>{html.escape(page.title)}</h1>", *map(_table, page.tables)]
    if page.comparisons:
        note = html.escape(page.legend)
        parts.append(f"<h2>Worst images</h2><p class=note>{note}")
        parts += map(_comparison, page.comparisons)
    if page.confusion is not None:
        parts.append(_confusion(page.confusion))
    if page.training is not None:
        parts.append(_training(page.training))
    text = (
        f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8>"
        f"<title>{html.escape(page.title)}</title><style>{html_look.STYLE}</style>"
        f"</head><body>{''.join(parts)}<script>{html_look.SCRIPT}</script></body>"
        "</html>\n"
    )
    write_text(path, text)


def _training(training: Training) -> str:
    return (
        "<h2>Training</h2>"
        f'<img class=curves alt="training curves" '
        f'src="{_data(training.curves)}">'
        "<details><summary>Settings</summary>"
        f"<pre>{html.escape(training.settings)}</pre></details>"
    )


def _table(table: Table) -> str:
    kinds = [" class=text" if i < table.texts else "" for i in range(99)]
    head = "".join(
        f"<th{kind}>{html.escape(name)}"
        for kind, name in zip(kinds, table.columns, strict=False)
    )
    rows = "".join(f"<tr>{_cells(row, kinds)}" for row in table.rows)
    note = f"<p class=note>{html.escape(table.note)}" if table.note else ""
    return f"<table class=sortable><tr>{head}{rows}</table>{note}"


def _cells(row: Sequence[Cell], kinds: Sequence[str]) -> str:
    return "".join(
        f"<td{kind}>{html.escape(cell_text(cell))}"
        for kind, cell in zip(kinds, row, strict=False)
    )


def _comparison(one: Comparison) -> str:
    figures = "".join(
        f'<figure><img alt="{html.escape(caption)}" src="{_data(picture)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, picture in one.pictures.items()
    )
    key = "".join(
        f'<span><i style="background:rgb{tuple(map(int, colour))}"></i>'
        f"{html.escape(name)}</span>"
        for name, colour in one.key.items()
    )
    return (
        f"<h3>{html.escape(one.title)}</h3><div class=pictures>{figures}</div>"
        f"<p class=key>{key}</p>"
    )


def _data(picture: np.ndarray) -> str:
    """The picture as a data URI: photographs as JPEG, drawings as PNG."""
    stream = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture))
    flat = image.getcolors(maxcolors=1024) is not None
    image.save(stream, "PNG" if flat else "JPEG")
    text = base64.b64encode(stream.getvalue()).decode()
    return f"data:image/{'png' if flat else 'jpeg'};base64,{text}"


def _confusion(confusion: Confusion) -> str:
    pixels = np.asarray(confusion.pixels)
    rows = np.flatnonzero(pixels.sum(axis=1))
    columns = np.flatnonzero(pixels.sum(axis=0))
    head = "".join(
        f"<th class=column>{html.escape(confusion.columns[index])}"
        for index in columns
    )
    lines = []
    for row in rows:
        total = int(pixels[row].sum())
        cells = "".join(
            _share(int(pixels[row, column]) / total) for column in columns
        )
        name = html.escape(confusion.rows[row])
        lines.append(f"<tr><th class=text>{name}{cells}")
    return (
        "<h2>Confusion matrix</h2><p class=note>Rows are the truth; percent of "
        "its pixels by predicted class.<div class=scroll>"
        f"<table class=confusion><tr><th>{head}{''.join(lines)}</table></div>"
    )


def _share(share: float) -> str:
    if not share:
        return "<td>"
    # The root makes small confusions visible.
    strength = round(math.sqrt(share), 2)
    text = f"{100 * share:.0f}" if share >= 0.005 else ""
    ink = "white" if share > _DARK_SHARE else "inherit"
    style = f"background:rgba(31,119,180,{strength});color:{ink}"
    return f'<td style="{style}">{text}'
