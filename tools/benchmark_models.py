"""Counts parameters and multiply-adds of models, beside those of the papers.

python tools/benchmark_models.py --table=10
python tools/benchmark_models.py --models="axial_deeplab_*" --size=1025x2049

Walks the model itself, layer by layer, without computing anything. A table
has, in this order: the row and the model; all trainable parameters; those that
the paper seems to count; the paper's, in millions, and whether the two agree
to its last digit; billions of multiply-adds as the paper seems to count them,
and of matrix products alone; the paper's, and whether it agrees with the
former (where it prints FLOPs, with the latter); its accuracy.

A span of m positions costs m keys a query, even beyond the border. Tables
divide images by strides without rounding, as the paper's numbers need;
`--models` has the true sizes. Bad arguments end in one line and exit status 2.
"""

import ast
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

from absl import flags  # noqa: E402

from axial_deeplab import command_line, list_models  # noqa: E402
from axial_deeplab.costs.comparison import (  # noqa: E402
    TABLES,
    Comparison,
    compare,
)
from axial_deeplab.costs.table_rows import Row, Table  # noqa: E402
from axial_deeplab.progress import track  # noqa: E402

_FORMATS = ("text", "markdown")
_LEFT_ALIGNED = 2


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_enum(
        "table",
        None,
        list(TABLES),
        "Of arXiv:2003.07853 by number, of stand-alone self-attention (sasa), "
        "of SegNeXt, or README's of all models (classifiers, panoptic).",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "format", "text", _FORMATS, "How to print.", flag_values=values
    )
    for name, default, text in (
        ("models", None, "Glob of model names instead."),
        ("size", "224x224", "HEIGHTxWIDTH of an image for --models."),
    ):
        flags.DEFINE_string(name, default, text, flag_values=values)
    flags.DEFINE_list(
        "options",
        [],
        "Of --models, as in span=65,num_classes=19.",
        flag_values=values,
    )


def select_table(values: flags.FlagValues) -> Table:
    """The table that the flags name, or one of the models that they name.

    Raises:
      ValueError: both or neither are named, or a flag does not fit.
    """
    if (values.table is None) == (values.models is None):
        raise ValueError("Name either --table or --models.")
    if values.table is not None:
        return TABLES[values.table]
    names = list_models(values.models)
    if not names:
        raise ValueError(
            f"No model has a name like {values.models!r}; --models=* "
            "--size=32x32 shows all."
        )
    options = dict(map(parse_option, values.options))
    return Table(
        f"Models like {values.models}",
        "",
        parse_size(values.size),
        tuple(Row("", name, options) for name in names),
        exact_grid=True,
    )


def parse_size(text: str) -> tuple[int, int]:
    """Height and width that stand in "1025x2049".

    Raises:
      ValueError: that is no size.
    """
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise ValueError(
            f"--size must be HEIGHTxWIDTH in pixels; got {text!r}."
        )
    size = int(height), int(width)
    if 0 in size:
        raise ValueError(f"--size must have pixels; got {text!r}.")
    return size


def parse_option(text: str) -> tuple[str, Any]:
    """Name and value in "span=65"; what is no Python value is a string.

    Raises:
      ValueError: there is no name or no value.
    """
    name, _, value = (part.strip() for part in text.partition("="))
    if not (name and value):
        raise ValueError(f"--options must be name=value pairs; got {text!r}.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


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


def work(values: flags.FlagValues) -> str:
    """What the flags ask for; returns the lines to print."""
    table = select_table(values)
    counted, missing = [], []
    for row in track(table.rows, len(table.rows), "counting", "models"):
        try:
            counted.append(compare(row, table))
        except ValueError as error:
            counted.append(None)
            missing.append(f"not counted: {row.call or row.label}: {error}")
    lines = format_table(table, counted)
    if values.format == "markdown":
        return as_markdown(lines)
    height, width = table.size_px
    title = f"{table.title}, {height}x{width}"
    return "\n".join([title, "", as_text(lines), *dict.fromkeys(missing)])


if __name__ == "__main__":
    command_line.run_tool(work, define_flags)
