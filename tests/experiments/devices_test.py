import json
import pathlib
import subprocess
import sys

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]


def test_two_devices_take_the_step_of_one(tmp_path):
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
    one, two = found["losses"]
    assert one["training_loss"] > 1 and len(one) == 4
    assert two == pytest.approx(one, rel=1e-5)
    # Batch norm is synchronised, so the statistics agree as well.
    assert found["moved"] > 0.1
    assert found["difference"] < 1e-3 * found["moved"]
    first, second = found["lines"]
    assert first.startswith("step 1/1  ") and "learning_rate" in first
    assert len(second.split("  ")) == len(first.split("  "))
