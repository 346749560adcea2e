import pytest

from axial_deeplab.costs import training_runs
from axial_deeplab.costs.training_case import TrainingCase
from axial_deeplab.costs.training_runs import COLUMNS, format_rows, measure

FIRST = TrainingCase(
    "some_model", {"seconds": 0.5, "bytes": 80_000_000}, (65, 97)
)


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(training_runs, "_PROCESS", "tests.costs.fake_step")


def test_rows_say_what_the_processes_measured():
    cases = [
        FIRST,
        FIRST.changed("replicas", 2),
        FIRST.changed("seconds", 0.25).changed("bytes", 20_000_000),
        FIRST.changed("end", "memory"),
    ]
    heading, first, second, third, fourth = format_rows(
        cases, measure(cases, repeats=3)
    )
    assert heading == list(COLUMNS)
    cells = dict(zip(heading, first, strict=True))
    assert cells["row"] == "as given" and cells["crop"] == "65x97"
    assert cells["model"].startswith("some_model seconds=0.5")
    # Three steps of 0.5, 1 and 1.5 seconds, two images each.
    assert cells["step, s"] == "1" and cells["images/s"] == "2"
    assert cells["memory, MB"] == "80" and cells["all-reduced, MB"] == "2.50"
    assert cells["pipeline, images/s"] == "8" and cells["headroom"] == "4"
    assert second[0] == "replicas=2" and second[4] == "2"
    assert first[-2:] == second[-2:] == ["1.00", "1.00"]
    assert third[-2:] == ["0.50", "0.25"]
    assert fourth[5] == "does not fit" and set(fourth[6:]) == {"-"}
    assert len({len(row) for row in (heading, first, third, fourth)}) == 1


def test_a_failure_that_is_not_for_memory_ends_the_measurement():
    cases = [FIRST, FIRST.changed("end", "error")]
    with pytest.raises(RuntimeError, match="end=error: .*cannot be trained"):
        measure(cases, repeats=1)


def test_without_a_first_row_there_are_no_ratios():
    cases = [FIRST.changed("end", "memory"), FIRST]
    _, first, second = format_rows(cases, measure(cases, repeats=1))
    assert first[5] == "does not fit" and second[-2:] == ["-", "-"]
    assert second[5] == "0.5"


def test_a_change_is_of_the_step_or_of_the_model():
    case = FIRST.changed("size_px", (33, 33))
    assert case.label == "size=33x33" and case.size_px == (33, 33)
    assert FIRST.changed("accumulation", 2).accumulation == 2
    case = FIRST.changed("dtype", "bfloat16").changed("span", 17)
    assert case.options["span"] == 17 and case.dtype == "bfloat16"
    assert case.call.endswith("span=17 bfloat16")


@pytest.mark.parametrize(
    "name, value, error",
    [
        ("dtype", "int8", "dtype must be one of.*'int8'"),
        ("batch", 0, "batch must be at least 1; got 0"),
        ("replicas", "two", "replicas must be.*'two'"),
        ("replicas", 4, "4 replicas cannot share a batch of 2"),
        ("accumulation", 3, "3 parts of a batch of 2 images are not equal"),
    ],
)
def test_steps_that_cannot_be_are_errors(name, value, error):
    with pytest.raises(ValueError, match=error):
        FIRST.changed(name, value)
