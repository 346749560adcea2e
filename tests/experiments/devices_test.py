import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("found") / "found.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.experiments.two_devices", path],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(path.read_text())


def test_two_devices_take_the_steps_of_one(found):
    assert found["replicas"] == [1, 2]
    one, two = found["losses"]
    assert len(one) == 5
    for first, second in zip(one, two, strict=True):
        assert first["training_loss"] > 1 and len(first) == 4
        assert second == pytest.approx(first, rel=1e-4)
    # Batch norm is synchronised, so the statistics agree as well.
    assert found["moved"] > 0.1
    differences = found["differences"]
    assert differences["weights"] < 1e-4
    assert differences["moving"] < 1e-4
    assert max(differences["gradients"]) < 1e-4
    first, second = found["line"]
    assert first.startswith("step 5/5  ") and "learning_rate" in first
    assert len(second.split("  ")) == len(first.split("  "))


def test_parts_on_two_devices_take_the_steps_of_the_whole(found):
    found = found["parts"]
    assert found["steps"] == [3, 3, 3] and found["moved"] > 1e-3
    assert max(found["weights"]) < 1e-4
    whole, *others = found["losses"]
    for other in others:
        np.testing.assert_allclose(other, whole, rtol=1e-4)
    # The graph has them once, however many (parts of one image are simpler).
    two, four = found["nodes"]
    assert four == pytest.approx(two, rel=0.01) and two > 1000
