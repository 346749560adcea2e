"""Tables of counts as text and as Markdown."""

from axial_deeplab.costs.comparison import Comparison
from axial_deeplab.costs.table_rows import Row, Table

_LEFT_ALIGNED = 2


def format_table(table: Table, counted: list[Comparison | None]) -> list[list]:
    """Heading and one list of cells a row; dashes where nothing is known."""
    unit = "FLOPs" if table.flops else "M-Adds"
    heading = [
        *("row", "model", "trainable", "counted", "paper, M", "agree"),
        *(f"{unit}, B", "products, B", "paper, B", "agree"),
        table.metric or "metric",
    ]
    cells = [
        _cells(row, one, table.digit)
        for row, one in zip(table.rows, counted, strict=True)
    ]
    return [heading, *cells]


def _cells(row: Row, counted: Comparison | None, digit: float) -> list[str]:
    printed = [_text(row.parameters), _text(row.multiply_adds, digit)]
    ours, agree = ["-"] * 4, ["-"] * 2
    if counted:
        ours = [f"{counted.trainable:,}", f"{counted.counted:,}"]
        ours += [f"{counted.tally:.3f}", f"{counted.products:.3f}"]
        names = {True: "yes", False: "no", None: "-"}
        agree = [
            names[counted.parameters_agree],
            names[counted.multiply_adds_agree],
        ]
    return [
        *(row.label or "-", row.call or "-"),
        *(*ours[:2], printed[0], agree[0]),
        *(*ours[2:], printed[1], agree[1]),
        row.published or "-",
    ]


def _text(value: float | None, digit: float = 0.1) -> str:
    decimals = 1 if digit < 1 else 0
    return "-" if value is None else f"{value:.{decimals}f}"


def as_text(lines: list[list[str]]) -> str:
    """Aligned columns, without those that hold dashes only."""
    columns = [
        column
        for column in zip(*lines, strict=True)
        if any(cell != "-" for cell in column[1:])
    ]
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < _LEFT_ALIGNED else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in zip(*columns, strict=True)
    )


def as_markdown(lines: list[list[str]]) -> str:
    """The same as a table of a README, models in code."""
    heading, *rows = lines
    rows = [
        [label, model if model == "-" else f"`{model}`", *cells]
        for label, model, *cells in rows
    ]
    rule = ["---"] * _LEFT_ALIGNED
    rule += ["--:"] * (len(heading) - _LEFT_ALIGNED)
    return "\n".join(f"| {' | '.join(row)} |" for row in [heading, rule, *rows])
