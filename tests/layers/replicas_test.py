"""Norms are synchronised: two replicas equal one on the whole batch."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.golden import assert_close_to_largest
from tests.layers.two_replicas import LAYERS

PROJECT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = tmp_path_factory.mktemp("replicas") / "results.npz"
    command = [sys.executable, "-m", "tests.layers.two_replicas", path]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    with np.load(path) as data:
        return dict(data)


def _entries(results, name, devices):
    prefix = f"{name}/{devices}/"
    return {
        key.removeprefix(prefix): value
        for key, value in results.items()
        if key.startswith(prefix)
    }


@pytest.mark.parametrize("name", LAYERS)
def test_two_replicas_equal_the_whole_batch(results, name):
    one = _entries(results, name, "one")
    two = _entries(results, name, "two")
    assert set(one) == set(two)
    kinds = {key.split("/")[0] for key in one}
    assert kinds == {"output", "gradient", "statistic"}
    for key, expected in one.items():
        if "similarity_norm/beta" in key:
            assert not np.any(expected)  # a softmax ignores the offsets
        assert_close_to_largest(two[key], expected, 1e-5, f"{name} {key}")


@pytest.mark.parametrize("name", LAYERS)
def test_halves_alone_would_differ(results, name):
    """The batch is such that unsynchronised norms could not pass."""
    output = _entries(results, name, "two")["output"]
    means = [half.mean(axis=(0, 1, 2)) for half in np.split(output, 2)]
    assert np.abs(means[0] - means[1]).max() > 1e-3
