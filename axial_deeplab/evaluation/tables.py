"""Tables of scores: printed, as CSV, and as rows of an HTML page."""

import csv
import dataclasses
import io
import math
import os
from collections.abc import Sequence

from axial_deeplab.evaluation.whole_files import write_text

# A float is a share of 1, shown in percent; None is an empty cell.
Cell = str | int | float | None


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells; the first columns, `texts` of them, hold text.

    `name` names the table where several follow each other, `note` is a line
    below it.
    """

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    texts: int = 1
    note: str = ""


def format_tables(tables: Sequence[Table]) -> str:
    """Aligned text, a blank line between the tables; "-" is NaN."""
    return "\n\n".join(map(_format, tables))


def write_csv(path: str | os.PathLike, tables: Sequence[Table]) -> None:
    """Writes all tables as one, whole or not at all.

    The first column names the table; the others are all columns of all tables.
    Shares are numbers in 0..1 with all digits; NaN and empty cells are empty.
    """
    columns = ["table", "name"]
    for table in tables:
        columns += [name for name in table.columns[1:] if name not in columns]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for table in tables:
        names = ("name", *table.columns[1:])
        for row in table.rows:
            cells = ("" if _is_nothing(cell) else cell for cell in row)
            values = dict(zip(names, cells, strict=True))
            writer.writerow({"table": table.name} | values)
    write_text(path, text.getvalue())


def cell_text(cell: Cell) -> str:
    """A cell as it is shown."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return "-" if math.isnan(cell) else f"{100 * cell:.2f}"
    return str(cell)


def _is_nothing(cell: Cell) -> bool:
    return cell is None or isinstance(cell, float) and math.isnan(cell)


def _format(table: Table) -> str:
    rows = [table.columns, *(tuple(map(cell_text, x)) for x in table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < table.texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, table.note] if table.note else lines)
