"""README's tables of models are what tools/benchmark_models.py prints."""

import dataclasses
import re

import pytest

from axial_deeplab.costs.comparison import TABLES, compare
from tests.models.model_counts import COUNTS
from tests.source_tree import PROJECT
from tools.benchmark_models import as_markdown, format_table

_TABLE = r"^<!-- .*benchmark_models.py --table=(\w+) .*-->\n\n((?:\|.*\n)+)"
PRINTED = {
    name: text.splitlines()
    for name, text in re.findall(
        _TABLE, (PROJECT / "README.md").read_text(), re.M
    )
}
# Label, model, the paper's values and accuracy: not counted.
_UNCOUNTED = [1, 2, 5, 9, 11]
_TRAINABLE = 3
# The default run walks these: they have few layers.
_SMALL = {
    "axial_deeplab_xs",
    "axial_resnet_xs",
    "full_axial_resnet_xs",
    "mscan_t",
    "resnet_26",
    "segnext_t",
}
_ROWS = [
    (name, index, row)
    for name in PRINTED
    for index, row in enumerate(TABLES[name].rows)
    if row.model
]
LINES = [
    pytest.param(
        name,
        index,
        id=f"{name}-{row.call}",
        marks=[] if row.model in _SMALL else pytest.mark.large,
    )
    for name, index, row in _ROWS
]


def test_all_tables_are_there():
    names = ["classifiers", "panoptic", "2", "4", "segnext", "mscan"]
    assert list(PRINTED) == names


@pytest.mark.parametrize("name", PRINTED)
def test_rows_are_those_of_the_table(name):
    table = TABLES[name]
    cells = format_table(table, [None] * len(table.rows))
    heading, rule, *lines = as_markdown(cells).splitlines()
    assert PRINTED[name][:2] == [heading, rule]
    assert [_uncounted(line) for line in PRINTED[name][2:]] == [
        _uncounted(line) for line in lines
    ]


def _cells(line):
    return [cell.strip() for cell in line.split("|")]


def _uncounted(line):
    cells = _cells(line)
    return [cells[column] for column in _UNCOUNTED]


def test_trainable_scalars_are_the_pinned_ones():
    """Of all rows whose options are pinned; a span changes no count."""
    pinned = {
        (name, *sorted(options.items())): count
        for name, options, count, *_ in COUNTS
    }
    compared = 0
    for name, index, row in _ROWS:
        options = {k: v for k, v in row.options.items() if k != "span"}
        count = pinned.get((row.model, *sorted(options.items())))
        if count is not None:
            line = PRINTED[name][2 + index]
            assert _cells(line)[_TRAINABLE] == f"{count:,}"
            compared += 1
    assert compared > len(_ROWS) * 0.7


@pytest.mark.parametrize(("name", "index"), LINES)
def test_counts_are_those_of_the_model(name, index):
    row = TABLES[name].rows[index]
    table = dataclasses.replace(TABLES[name], rows=(row,))
    cells = format_table(table, [compare(row, table)])
    assert PRINTED[name][2 + index] == as_markdown(cells).splitlines()[2]
