import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = tmp_path_factory.mktemp("replicas") / "results.json"
    command = [sys.executable, "-m", "tests.optimization.two_replicas", path]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(path.read_text())


@pytest.mark.parametrize("mixed", ["False", "True"])
def test_two_replicas_train_as_one_device(results, mixed):
    one, two = results[mixed]["one"], results[mixed]["two"]
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=1e-5)
    assert two["losses"][-1] < two["losses"][0]
    for single, copies in zip(one["weights"], two["weights"], strict=True):
        assert len(single) == 1 and len(copies) == 2
        np.testing.assert_array_equal(copies[0], copies[1])
        np.testing.assert_allclose(copies[0], single[0], rtol=1e-4, atol=1e-6)


def test_loss_scaling_changes_nothing(results):
    np.testing.assert_allclose(
        results["True"]["two"]["losses"],
        results["False"]["two"]["losses"],
        rtol=1e-5,
    )
