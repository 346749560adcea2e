import pytest
from absl import flags

from tools import benchmark_evaluation


def test_ours_and_the_rival_count_the_same(tmp_path):
    scene = benchmark_evaluation.make_scene((90, 120), 12, tmp_path)
    ours = benchmark_evaluation.our_counts(scene)
    rival = benchmark_evaluation.rival_counts(scene)
    assert ours.keys() == {key for key, one in rival.items() if any(one)}
    for key, counts in ours.items():
        assert counts == pytest.approx(rival[key], rel=1e-12)
    totals = [sum(one[index] for one in ours.values()) for index in range(4)]
    assert totals[1] > 3 and totals[2] > 0 and totals[3] > 0


def test_prints_a_row_a_case(monkeypatch):
    monkeypatch.setattr(benchmark_evaluation, "_SIZES", ((60, 80),))
    values = flags.FlagValues()
    benchmark_evaluation.define_flags(values)
    values(["benchmark_evaluation.py", "--repeats=1", "--segments=5"])
    lines = benchmark_evaluation.benchmark(values).splitlines()
    kinds = "in memory", "with decod", "2 threads"
    for line, kind in zip(lines[2:], kinds, strict=True):
        assert kind in line and float(line.split()[-1]) > 0
