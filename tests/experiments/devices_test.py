import json
import pathlib
import subprocess
import sys

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]


def test_two_devices_take_the_steps_of_one(tmp_path):
    path = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.experiments.two_devices", path],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(path.read_text())
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
