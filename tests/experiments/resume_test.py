"""An interrupted run ends with the bits of an unbroken one."""

import os
import random
import signal

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config as tf_config

from axial_deeplab.experiments import runner
from axial_deeplab.experiments.preemption import Preempted
from tests.experiments import case
from tests.experiments.trainer_case import names, run, step_lines, stored

STEPS = 9


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return case.write_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(autouse=True)
def toy_model(monkeypatch):
    case.use_toy_model(monkeypatch)


@pytest.fixture
def deterministic():
    tf.config.experimental.enable_op_determinism()
    yield
    tf_config.disable_op_determinism()


def sigterm_at(step, monkeypatch):
    """Lets the process get SIGTERM in the loop that ends at `step`."""

    class Line(runner.StepLine):
        def __call__(self, output):
            super().__call__(output)
            if int(self._step.numpy()) == step:
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(runner, "StepLine", Line)


def steps(last, *more):
    return (
        f"trainer.train_steps={last}",
        "trainer.checkpoint_interval=100",
        *more,
    )


@pytest.mark.parametrize("optimizer", ["radam_lookahead", "sgd"])
def test_interrupted_training_equals_an_unbroken_one(
    scenes, tmp_path, optimizer, monkeypatch, deterministic
):
    # Batches of three of four shuffled scenes, mirrored and coloured at
    # random: the interruption is amid an epoch, whose order counts.
    options = steps(
        STEPS,
        "task.train_data.global_batch_size=3",
        f"trainer.optimizer_config.optimizer.type={optimizer}",
        f"{case.SCHEDULE}.base_learning_rate=1e-4",
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(scenes, whole, "train", *options)
    stop = random.Random(f"{optimizer} 5").randrange(2, STEPS - 1)
    with monkeypatch.context() as patch:
        sigterm_at(stop, patch)
        with pytest.raises(Preempted):
            run(scenes, parts, "train", *options)
    assert f"ckpt-{stop}.index" in names(parts)
    run(scenes, parts, "train", *options)
    expected, resumed = stored(whole, STEPS), stored(parts, STEPS)
    assert set(resumed) == set(expected)
    assert any("optimizer" in name for name in expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    at_stop = stored(parts, stop)
    assert any(np.any(at_stop[name] != resumed[name]) for name in expected)


def test_sigterm_saves_and_ends_with_status_143(
    scenes, tmp_path, monkeypatch, capsys
):
    before = signal.getsignal(signal.SIGTERM)
    sigterm_at(3, monkeypatch)
    with pytest.raises(SystemExit) as ended:
        run(scenes, tmp_path, "train_and_eval", *steps(100))
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    errors = capsys.readouterr().err
    (line,) = [one for one in errors.splitlines() if "SIGTERM" in one]
    assert f"{tmp_path}/ckpt-3 saved, ending with status 143" in line
    assert "ckpt-3.index" in names(tmp_path)
    run(scenes, tmp_path, "train", *steps(4))
    assert [line.split()[1] for line in step_lines(capsys)] == ["4/4"]


def test_sigterm_in_an_evaluation_saves_what_is_trained(
    scenes, tmp_path, monkeypatch
):
    class Controller(runner.ExperimentController):
        def evaluate(self, steps=-1):
            os.kill(os.getpid(), signal.SIGTERM)
            return super().evaluate(steps)

    monkeypatch.setattr(runner, "ExperimentController", Controller)
    options = steps(
        4,
        "trainer.optimizer_config.optimizer.type=sgd",
        "trainer.optimizer_config.ema.average_decay=0.9",
        f"{case.SCHEDULE}.base_learning_rate=1e-5",
        "trainer.validation_interval=2",
    )
    with pytest.raises(Preempted):
        run(scenes, tmp_path / "ended", "train_and_eval", *options)
    assert "ckpt-2.index" in names(tmp_path / "ended")
    assert "evaluation.json" not in names(tmp_path / "ended")
    monkeypatch.undo()
    case.use_toy_model(monkeypatch)
    run(scenes, tmp_path / "whole", "train", *options, "trainer.train_steps=2")
    expected, found = (
        stored(tmp_path / folder, 2) for folder in ("whole", "ended")
    )
    for name, value in expected.items():  # and not the averages
        np.testing.assert_allclose(
            found[name], value, rtol=1e-5, atol=1e-6, err_msg=name
        )
