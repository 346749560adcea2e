import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from axial_deeplab.experiments import runner
from axial_deeplab.experiments.preemption import Preempted
from tests.experiments import case
from tests.experiments.trainer_case import names, run, stored

PROJECT = pathlib.Path(__file__).resolve().parents[2]


def test_interrupted_training_ends_with_the_bits_of_an_unbroken_one(tmp_path):
    environment = {"TF_DETERMINISTIC_OPS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.experiments.exact_resume", tmp_path, "5"],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    whole, parts = found["names"]
    slots = [name for name in whole if "optimizer" in name]
    assert parts == whole and len(slots) > 3 * 10
    assert not found["different"]
    assert len(found["moved"]) > len(whole) / 2
    # How the interruption was told.
    assert found["statuses"] == [0, 143, 0]
    (line,) = [one for one in done.stderr.splitlines() if "SIGTERM" in one]
    saved = f"{tmp_path}/parts/ckpt-{found['stop']} saved"
    assert saved in line and "ending with status 143" in line


def test_sigterm_in_an_evaluation_saves_what_is_trained(
    scenes, tmp_path, monkeypatch
):
    class Controller(runner.ExperimentController):
        def evaluate(self, steps=-1):
            before.append(self.trainer.model.get_weights())
            os.kill(os.getpid(), signal.SIGTERM)
            return super().evaluate(steps)

    before, handler = [], signal.getsignal(signal.SIGTERM)
    case.use_toy_model(monkeypatch)
    monkeypatch.setattr(runner, "ExperimentController", Controller)
    options = (
        "trainer.checkpoint_interval=100",
        "trainer.optimizer_config.optimizer.type=sgd",
        "trainer.optimizer_config.ema.average_decay=0.9",
        f"{case.SCHEDULE}.base_learning_rate=1e-5",
    )
    with pytest.raises(Preempted):
        run(scenes, tmp_path, "train_and_eval", *options)
    assert signal.getsignal(signal.SIGTERM) is handler
    assert "ckpt-2.index" in names(tmp_path)
    assert "evaluation.json" not in names(tmp_path)
    # The weights, and not their averages, with which it evaluated.
    name = "backbone/layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    found, (weights,) = stored(tmp_path, 2)[name], before
    (kernel,) = [one for one in weights if one.shape == found.shape]
    np.testing.assert_allclose(found, kernel, rtol=1e-5, atol=1e-7)
