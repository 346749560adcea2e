import json
import subprocess
import sys

import numpy as np
import pytest
from absl import flags

from tests.layers.layer_case import randomize
from tests.layers.layer_inputs import features
from tests.source_tree import PROJECT
from tools import benchmark_layers, benchmark_worker
from tools.benchmark_layers import Case, start_side

TINY = [
    Case("training", 2, 5, 16, "training"),
    Case("inference", 2, 5, 16, "inference", span=3),
]

# Notes whose turn it is; then what the test wants.
NOTING_WORKER = """
import json
import os
import sys

case, side = json.loads(sys.argv[1])
count = 0
for count, _ in enumerate(sys.stdin):
    with open({log!r}, "a") as file:
        file.write(side + "\\n")
    {then}
    print("done", flush=True)
print(json.dumps({{"seconds": [0.5] * count}}))
"""


def test_attentions_of_a_transformer():
    """Full attention is that which stores all weights; a row sees a row."""
    cases = benchmark_layers.GROUPS["attention"]
    sides = {case.attention: case.sides for case in cases}
    assert sides == {
        "axial": ["ours"],
        "window": ["ours"],
        "full": ["ours", "plain"],
    }
    assert all(case.limit_gb == 4 for case in cases)
    x, layers = features(1, 3, 4, 8), {}
    for attention, names in sides.items():
        for name in names:
            case = {"model": None, "attention": attention, "channels": 8}
            layer = benchmark_worker.build(case, name)
            layer(x)
            layers[attention, name] = layer
    full, plain = (layers["full", name] for name in sides["full"])
    randomize(full)
    plain.set_weights(full.get_weights())
    np.testing.assert_allclose(full(x), plain(x), atol=1e-5)
    axes = [one.heads.axis for one in layers["axial", "ours"].layers]
    assert axes == ["width", "height"]
    (window,) = layers["window", "ours"].layers
    assert window.heads.window == 8


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "results.json"
    benchmark_layers.run_cases(TINY, 2, path)
    return path


@pytest.mark.parametrize("index", [0, 1])
def test_both_sides_are_measured_and_compute_the_same(results, index):
    entry = json.loads(results.read_text())["cases"][index]
    assert entry["name"] == TINY[index].name
    assert list(entry["sides"]) == ["ours", "plain"]
    for side in entry["sides"].values():
        assert len(side["seconds"]) == 2 and min(side["seconds"]) > 0
        assert 0 < side["baseline_bytes"] < side["peak_bytes"]
    ours, plain = (side["size"] for side in entry["sides"].values())
    assert ours == pytest.approx(plain, rel=1e-5) and ours > 1


def test_the_machine_is_named(results):
    content = json.loads(results.read_text())
    assert content["repeats"] == 2
    assert content["machine"]["threads"] >= 1 <= content["machine"]["cores"]
    assert content["machine"]["tensorflow"].startswith("2.")


def test_report_is_that_of_the_results(results):
    text = benchmark_layers.report(results)
    assert "medians of 2" in text and "agree to" in text
    rows = [line.split() for line in text.splitlines()]
    for entry in json.loads(results.read_text())["cases"]:
        (row,) = (row for row in rows if row[:2] == [entry["name"], "plain"])
        ours, plain = (
            sum(side["seconds"]) / 2 for side in entry["sides"].values()
        )
        assert float(row[2]) == pytest.approx(ours, rel=1e-3)
        assert float(row[4]) == pytest.approx(ours / plain, abs=1e-3)


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Makes the sides run a program that only notes; returns its notes."""

    def replace(then="pass"):
        log, program = tmp_path / "log", tmp_path / "worker.py"
        program.write_text(NOTING_WORKER.format(log=str(log), then=then))
        monkeypatch.setattr(benchmark_layers, "_WORKER", program)
        return log

    return replace


def test_repeats_take_turns(worker):
    log = worker()
    entry = benchmark_layers.measure(TINY[0], 3)
    assert log.read_text().split() == ["ours", "plain"] * 4
    for side in entry["sides"].values():
        assert side == {"seconds": [0.5] * 3}  # the first is not timed


@pytest.mark.parametrize(
    "end",
    [
        "raise MemoryError",
        "os.kill(os.getpid(), 9)",
        "sys.exit('tensorflow...ResourceExhaustedError: OOM when allocating')",
    ],
)
@pytest.mark.parametrize("call", [0, 1])
def test_side_without_memory_does_not_fit(worker, end, call):
    log = worker(f"if side == 'plain' and count == {call}: {end}")
    sides = benchmark_layers.measure(TINY[0], 3)["sides"]
    assert sides == {"ours": {"seconds": [0.5] * 3}, "plain": None}
    assert log.read_text().split().count("plain") == call + 1


def test_other_failure_names_case_and_side(worker):
    worker("if side == 'plain': raise ValueError('no such table')")
    with pytest.raises(RuntimeError, match="training, plain.*no such table"):
        benchmark_layers.measure(TINY[0], 1)


def test_failure_keeps_the_cases_before_it(worker, tmp_path):
    worker("if case['mode'] == 'inference': raise ValueError")
    path = tmp_path / "results.json"
    with pytest.raises(RuntimeError, match="inference"):
        benchmark_layers.run_cases(TINY, 1, path)
    (entry,) = json.loads(path.read_text())["cases"]
    assert entry["name"] == "training"


def test_process_ends_with_its_side(worker):
    worker()
    with start_side(TINY[0], "ours") as side:
        assert side._process.poll() is None
    assert side._process.returncode is not None


def _selected(*arguments):
    values = flags.FlagValues()
    benchmark_layers.define_flags(values)
    values(["benchmark_layers", *arguments])
    return [one.name for one in benchmark_layers.select_cases(values)]


def test_flags_choose_the_cases():
    names = {
        group: [case.name for case in cases]
        for group, cases in benchmark_layers.GROUPS.items()
    }
    assert _selected() == names["layers"]
    assert _selected("--growth", "--large") == names["large"] + names["growth"]
    assert _selected("--attention") == names["attention"]
    assert _selected("--cases=infer_56x56") == ["infer_56x56"]
    mixed = _selected("--models", "--cases=axial_resnet_l,growth_65")
    assert mixed[:2] == ["axial_resnet_l", "growth_65"]
    assert sorted(mixed) == sorted([*names["models"], "growth_65"])


def test_names_are_unique():
    for name, case in benchmark_layers.CASES.items():
        same = [
            other
            for cases in benchmark_layers.GROUPS.values()
            for other in cases
            if other.name == name
        ]
        assert set(same) == {case}


def test_tool_without_the_tests_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark_layers, "_PLAIN", tmp_path / "plain.py")
    values = flags.FlagValues()
    benchmark_layers.define_flags(values)
    values(["benchmark_layers"])
    with pytest.raises(FileNotFoundError, match="checkout"):
        benchmark_layers.work(values)


def test_all_cases_are_listed():
    values = flags.FlagValues()
    benchmark_layers.define_flags(values)
    values(["benchmark_layers", "--list"])
    text = benchmark_layers.work(values)
    assert all(name in text for name in benchmark_layers.CASES)


def test_command_line_error_is_one_line():
    done = subprocess.run(
        [sys.executable, "tools/benchmark_layers.py", "--cases=infer_56x57"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert done.returncode == 2 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("benchmark_layers.py: Unknown case 'infer_56x57'")
    assert "infer_56x56" in line
