import json

import numpy as np
import pytest
from absl import flags
from PIL import Image

from tools import benchmark_report


def _side(seconds, megabytes, size=1.0):
    return {
        "seconds": seconds,
        "baseline_bytes": 500_000_000,
        "peak_bytes": 500_000_000 + megabytes * 1_000_000,
        "size": size,
    }


def _result(ours, rival, name="a_case", **changes):
    result = {
        "name": name,
        "rival": "plain",
        "sides": {"ours": ours, "plain": rival},
        "targets": {"time": None, "memory": None, "process_gb": None},
    }
    result["targets"] |= changes.pop("targets", {})
    return result | changes


OURS, PLAIN = _side([1.0, 9.0, 2.0], 30), _side([4.0, 8.0, 2.0], 120)


def test_medians_and_memory_above_the_baseline_are_compared():
    reached = benchmark_report.reached(_result(OURS, PLAIN))
    assert reached == {"time": 0.5, "memory": 0.25, "process_gb": 0.53}


@pytest.mark.parametrize(
    "targets, met",
    [
        ({}, None),
        ({"time": 0.5, "memory": 0.25}, True),
        ({"time": 0.49, "memory": 0.25}, False),
        ({"time": 0.5, "memory": 0.24}, False),
        ({"process_gb": 0.53}, True),
        ({"process_gb": 0.5}, False),
    ],
)
def test_targets_are_met_or_not(targets, met):
    result = _result(OURS, PLAIN, targets=targets)
    assert benchmark_report.targets_met(result) is met
    last = benchmark_report.format_table([result]).splitlines()[1].split()[-1]
    assert (last == "yes", last == "no") == (met is True, met is False)


@pytest.mark.parametrize(
    "ours, rival, met", [(None, PLAIN, False), (OURS, None, None)]
)
def test_side_that_does_not_fit_has_no_ratio(ours, rival, met):
    result = _result(ours, rival, targets={"time": 1.0})
    assert benchmark_report.reached(result)["time"] is None
    assert benchmark_report.targets_met(result) is met
    row = benchmark_report.format_table([result]).splitlines()[1]
    assert row.count("does not fit") == 2


def test_plain_need_not_fit_where_only_ours_is_limited():
    result = _result(OURS, None, targets={"process_gb": 8.0})
    row = benchmark_report.format_table([result]).splitlines()[1]
    assert row.split()[-5:] == ["0.53", "GB", "8.00", "GB", "yes"]


def test_columns_are_aligned():
    alone = _result(OURS, None, "a_longer_name") | {"rival": None}
    del alone["sides"]["plain"]
    head, first, second = benchmark_report.format_table(
        [_result(OURS, PLAIN), alone]
    ).splitlines()
    end = head.index("ours s") + len("ours s")
    assert first[:end].split() == ["a_case", "plain", "2"]
    assert second[:end].split() == ["a_longer_name", "2"]
    end = head.index("ours MB") + len("ours MB")
    assert first[:end].split()[-1] == second[:end].split()[-1] == "30.0"
    assert "does not fit" not in second


def _growth(plain_fits=True):
    return [
        _result(
            _side([length / 100], length),
            _side([length**2 / 1e4], length**2) if plain_fits else None,
            f"growth_{length}",
            length=length,
        )
        for length in (40, 10, 20)
    ]


def test_growth_is_by_length():
    curves = benchmark_report.growth_curves([*_growth(), _result(OURS, PLAIN)])
    assert curves["ours"] == [(10, 0.1, 10.0), (20, 0.2, 20.0), (40, 0.4, 40.0)]
    ours, plain, _ = benchmark_report.format_growth(curves).splitlines()
    assert "ours" in ours and ours.endswith(": 2.00, 2.00")
    assert "10, 20, 40" in plain and plain.endswith(": 4.00, 4.00")
    assert list(benchmark_report.growth_curves(_growth(False))) == ["ours"]


def test_attention_is_by_kind_and_by_side():
    """Only what stores all weights is named beside its kind."""
    results = [
        _result(
            _side([side / 10], side),
            _side([side], 2 * side) if side < 20 else None,
            f"attention_full_{side}",
            length=side,
            attention="full",
        )
        for side in (20, 10)
    ]
    alone = _result(_side([3.0], 7), None, "attention_axial_10", length=10)
    del alone["sides"]["plain"]
    results.append(alone | {"attention": "axial", "rival": None})
    assert benchmark_report.attention_curves(results) == {
        "axial": [(10, 3.0, 7.0)],
        "full": [(10, 1.0, 10.0), (20, 2.0, 20.0)],
        "full plain": [(10, 10.0, 20.0)],
    }


def _report(folder, results, *arguments):
    path = folder / "results.json"
    content = {"machine": {"cores": 2}, "repeats": 3, "cases": results}
    path.write_text(json.dumps(content))
    values = flags.FlagValues()
    benchmark_report.define_flags(values)
    values(["benchmark_report", f"--results={path}", *arguments])
    return benchmark_report.work(values)


def test_picture_shows_the_sides_that_fit(tmp_path):
    both, ours = tmp_path / "both.png", tmp_path / "ours.png"
    text = _report(tmp_path, _growth(), f"--picture={both}")
    assert "cores 2; medians of 3" in text and str(both) in text
    _report(tmp_path, _growth(False), f"--picture={ours}")
    pictures = [np.asarray(Image.open(path)) for path in (both, ours)]
    assert pictures[0].shape == pictures[1].shape
    orange = [_pixels_like(one, (255, 127, 14)) for one in pictures]
    assert orange[0] > 100 and orange[1] == 0
    assert all(_pixels_like(one, (31, 119, 180)) > 100 for one in pictures)


def _pixels_like(picture, colour):
    return np.all(np.abs(picture.astype(int) - colour) < 8, axis=-1).sum()


def test_picture_of_no_growth_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"results\.json holds no growth of"):
        _report(tmp_path, [_result(OURS, PLAIN)], "--picture=x.png")


def test_disagreement_is_shown(tmp_path):
    other = _side([1.0], 10, size=0.99)
    text = _report(tmp_path, [_result(OURS, PLAIN), _result(OURS, other)])
    assert "agree to 1e-02" in text
    assert "agree" not in _report(tmp_path, [_result(OURS, None)])
