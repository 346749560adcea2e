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
    line = step_line.StepLine(step, train_steps=100, batch_size=8)
    losses = {"offset_loss": tf.constant(0.5), "training_loss": 1234.567}
    line(losses)
    step.assign(40)
    clock.now += 10
    line(losses)
    assert capsys.readouterr().err.splitlines() == [
        "step 20/100  offset_loss 0.5  loss 1235",
        "step 40/100  offset_loss 0.5  loss 1235  "
        "2.00 steps/s, 16 images/s, 0:00:30 left",
    ]


def test_evaluation_does_not_count_as_training(clock, capsys):
    step = tf.Variable(0, dtype=tf.int64)
    line = step_line.StepLine(step, train_steps=60, batch_size=8)
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


def test_one_line_a_second_and_the_last(clock, capsys):
    step = tf.Variable(0, dtype=tf.int64)
    line = step_line.StepLine(step, train_steps=50, batch_size=2)
    for _ in range(50):
        step.assign_add(1)
        clock.now += 0.125
        line({})
    lines = capsys.readouterr().err.splitlines()
    assert [text.split()[1] for text in lines] == [
        "1/50",
        *(f"{number}/50" for number in (9, 17, 25, 33, 41, 49)),
        "50/50",
    ]
    # Steps without a line count, too.
    assert all("8.00 steps/s, 16 images/s" in text for text in lines[1:])


def test_going_back_tells_no_speed(clock, capsys):
    step = tf.Variable(20, dtype=tf.int64)
    line = step_line.StepLine(step, train_steps=100, batch_size=8)
    for number in (20, 10, 10, 20):
        step.assign(number)
        clock.now += 10
        line({})
    lines = capsys.readouterr().err.splitlines()
    assert ["steps/s" in text for text in lines] == [False, False, False, True]
    assert "1.00 steps/s" in lines[-1]
