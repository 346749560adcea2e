"""configs/README.md names all files, and prints what the tool prints."""

import re

import pytest

from axial_deeplab.costs import training_estimates
from axial_deeplab.costs.training_estimates import RECIPES
from axial_deeplab.costs.training_runs import CAPTION, COLUMNS
from tests.source_tree import PROJECT
from tools import benchmark_models

_CONFIGS = PROJECT / "configs"
_PAGE = (_CONFIGS / "README.md").read_text()
_ESTIMATES = "tools/benchmark_models.py --table=estimates --format=markdown"


def _printed(command):
    """Lines of the first table behind the command."""
    (_, behind) = _PAGE.split(f"<!-- python {command} -->")
    table = re.search(r"^(?:\|.*\n)+", behind, re.M)
    return table[0].splitlines()


def test_every_configuration_has_its_link():
    linked = re.findall(r"\]\((\w+/\w+\.yaml)\)", _PAGE)
    files = [
        path.relative_to(_CONFIGS).as_posix()
        for path in _CONFIGS.glob("*/*.yaml")
    ]
    assert sorted(linked) == sorted(files)


@pytest.mark.parametrize(
    "name, model",
    [
        pytest.param(
            name,
            model,
            marks=() if model == "axial_deeplab_s" else pytest.mark.large,
        )
        for name in RECIPES
        for model in RECIPES[name].models
    ],
)
def test_estimates_are_what_the_tool_prints(monkeypatch, name, model):
    recipe = RECIPES[name]
    one = type(recipe)(
        recipe.classes, recipe.crop_px, recipe.batch, recipe.steps, (model,)
    )
    monkeypatch.setattr(training_estimates, "RECIPES", {name: one})
    heading, rule, line = benchmark_models.as_markdown(
        training_estimates.format_rows()
    ).splitlines()
    printed = _printed(_ESTIMATES)
    assert printed[:2] == [heading, rule] and line in printed
    assert len(printed) - 2 == sum(len(one.models) for one in RECIPES.values())


def test_measured_tables_have_the_columns_and_rows_of_their_commands():
    heading = benchmark_models.as_markdown([list(COLUMNS)]).splitlines()[0]
    measured = re.findall(r"^<!-- python (.*--train.*) -->", _PAGE, re.M)
    assert len(measured) == 3
    for command in measured:
        variants = re.search(r"--variants=(\S+)", command)
        variants = variants[1].split(",") if variants else ["replicas=2"]
        first, _, *rows = _printed(command)
        assert first == heading
        assert [row.split("|")[1].strip() for row in rows] == [
            *("as given", *variants)
        ]


def test_the_page_says_what_the_columns_mean():
    """The tool's own words, whatever the lines."""
    assert " ".join(CAPTION.split()) in " ".join(_PAGE.split())
