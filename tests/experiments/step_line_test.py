import re

import pytest
import tensorflow as tf

from axial_deeplab.experiments import step_line


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(step_line.time, "monotonic", lambda: Clock.now)
    return Clock


def test_line_tells_losses_speed_and_time_left(clock, capsys):
    step = tf.Variable(20, dtype=tf.int64)
    line = step_line.StepLine(step, train_steps=100)
    losses = {"offset_loss": tf.constant(0.5), "training_loss": 1234.567}
    line(losses)
    step.assign(40)
    clock.now += 10
    line(losses)
    assert capsys.readouterr().err.splitlines() == [
        "step 20/100  offset_loss 0.5  loss 1235",
        "step 40/100  offset_loss 0.5  loss 1235  2.00 steps/s, 0:00:30 left",
    ]


def test_evaluation_does_not_count_as_training(clock, capsys):
    step = tf.Variable(0, dtype=tf.int64)
    line = step_line.StepLine(step, train_steps=60)
    line.restart()  # nothing to forget yet
    speeds = []
    for _ in range(3):
        step.assign_add(20)
        clock.now += 10
        line({})
        clock.now += 500
        line.restart()
        speeds += re.findall(r"([\d.]+) steps/s", capsys.readouterr().err)
    assert speeds == ["2.00", "2.00"]
