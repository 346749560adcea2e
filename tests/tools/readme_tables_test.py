"""The tables of models in README are what tools/benchmark_models.py prints."""

import dataclasses
import re

import pytest

from axial_deeplab.costs.comparison import TABLES, compare
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
# The default run counts every fifth row.
_SOME = 5

LINES = [
    pytest.param(
        name,
        index,
        id=f"{name}-{index}",
        marks=[] if index % _SOME == 0 else pytest.mark.large,
    )
    for name in PRINTED
    for index in range(len(TABLES[name].rows))
]


def test_both_tables_are_there():
    assert list(PRINTED) == ["classifiers", "panoptic"]


@pytest.mark.parametrize("name", PRINTED)
def test_rows_are_those_of_the_table(name):
    table = TABLES[name]
    cells = format_table(table, [None] * len(table.rows))
    heading, rule, *lines = as_markdown(cells).splitlines()
    assert PRINTED[name][:2] == [heading, rule]
    assert [_uncounted(line) for line in PRINTED[name][2:]] == [
        _uncounted(line) for line in lines
    ]


def _uncounted(line):
    cells = line.split("|")
    return [cells[column] for column in _UNCOUNTED]


@pytest.mark.parametrize(("name", "index"), LINES)
def test_counts_are_those_of_the_model(name, index):
    row = TABLES[name].rows[index]
    table = dataclasses.replace(TABLES[name], rows=(row,))
    cells = format_table(table, [compare(row, table)])
    assert PRINTED[name][2 + index] == as_markdown(cells).splitlines()[2]
