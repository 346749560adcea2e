"""Step by step beside the live tensorflow-addons, where it is installed."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from axial_deeplab.optimization import Lookahead, RectifiedAdam
from tests.optimization import trajectories

PROJECT = pathlib.Path(__file__).resolve().parents[2]
STEPS = 40
CASES = [
    {"rectified_adam": settings, "lookahead": lookahead}
    for settings in (
        {"learning_rate": 0.01},
        {"learning_rate": 0.003, "beta_1": 0.8, "beta_2": 0.99},
        {"learning_rate": 0.01, "weight_decay": 0.05},
        {"learning_rate": 0.01, "amsgrad": True, "epsilon": 1e-4},
    )
    for lookahead in (None, {"sync_period": 5, "slow_step_size": 0.4})
]


@pytest.fixture(scope="module")
def steps():
    rng = np.random.default_rng(5)
    weights = rng.normal(size=[3, 4]).astype(np.float32)
    gradients = rng.normal(size=[STEPS, 3, 4]).astype(np.float32)
    return {"weights": weights, "gradients": gradients}


@pytest.fixture(scope="module")
def addons_paths(steps, tmp_path_factory):
    if importlib.util.find_spec("tensorflow_addons") is None:
        pytest.skip("tensorflow-addons is not installed (no wheel for 3.12+)")
    folder = tmp_path_factory.mktemp("addons")
    np.savez(folder / "steps.npz", **steps)
    (folder / "cases.json").write_text(json.dumps(CASES))
    files = [folder / name for name in ("steps.npz", "cases.json", "out.npz")]
    run = subprocess.run(
        [sys.executable, "-m", "tests.optimization.addons_paths", *files],
        cwd=PROJECT,
        env=os.environ | {"TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return np.load(folder / "out.npz")


@pytest.mark.parametrize(
    "index", range(len(CASES)), ids=lambda i: str(CASES[i])
)
def test_same_path(addons_paths, steps, index):
    case = CASES[index]
    optimizer = RectifiedAdam(exclude_patterns=(), **case["rectified_adam"])
    if case["lookahead"]:
        optimizer = Lookahead(optimizer, **case["lookahead"])
    path = trajectories.run(optimizer, steps["weights"], steps["gradients"])
    trajectories.assert_same_path(
        path, addons_paths[str(index)], steps["weights"], 5e-5
    )
