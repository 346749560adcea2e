"""A poisoned record: what a training does, and what it says."""

import numpy as np
import pytest
import tensorflow as tf
from official.core import config_definitions as cfg

from axial_deeplab.data import image_names
from axial_deeplab.experiments import image_task, replica_step
from axial_deeplab.experiments.loss_watch import (
    BadStep,
    LossWatch,
    first_step,
)
from axial_deeplab.experiments.panoptic_task import PanopticTask
from tests.experiments import case, poison
from tests.experiments.trainer_case import names, run

SCENES = 6


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return poison.write_scenes(folder, SCENES)


@pytest.fixture(autouse=True)
def model(monkeypatch):
    monkeypatch.setattr(image_task, "create_model", poison.fragile_model)


@pytest.fixture(scope="module")
def order(scenes):
    """A seed, the first two batches with poison, and the names of the first.

    Batches count from 0; the first is good, so that there is something to go
    back to.
    """
    for seed in range(100):
        config = case.config(scenes, f"task.train_data.seed={seed}")
        batches = PanopticTask(config.task).build_inputs(config.task.train_data)
        rows = [
            [
                image_names.text_of(row)
                for row in labels[replica_step.NAMES].numpy()
            ]
            for _, labels in batches.take(SCENES)
        ]
        first, second = (i for i, row in enumerate(rows) if "poison" in row)
        if 1 <= first <= second - 2:
            return seed, first, second, rows[first]
    raise AssertionError("There is no such seed.")


def options(seed, steps, trials, loop=1):
    return (
        f"task.train_data.seed={seed}",
        f"trainer.train_steps={steps}",
        f"trainer.recovery_max_trials={trials}",
        f"trainer.steps_per_loop={loop}",
        f"trainer.summary_interval={loop}",
        "trainer.checkpoint_interval=1",
    )


def test_training_goes_back_and_on_without_the_batch(
    scenes, tmp_path, capsys, order
):
    seed, first, second, bad = order
    trained, _ = run(scenes, tmp_path, "train", *options(seed, second - 1, 1))
    for weight in trained.weights:
        assert np.all(np.isfinite(weight)), weight.name
    assert f"ckpt-{second - 1}.index" in names(tmp_path)
    (line,) = (
        text
        for text in capsys.readouterr().err.splitlines()
        if text.startswith("the loss left its bounds")
    )
    assert line == (
        f"the loss left its bounds, first at step {first + 1}, on the images "
        f"{', '.join(bad)}: back to {tmp_path}/ckpt-{first} (time 1 of 1)"
    )


def test_after_the_last_time_it_stops_with_step_and_names(
    scenes, tmp_path, order
):
    seed, _, second, _ = order
    with pytest.raises(RuntimeError, match="Training stopped") as caught:
        run(scenes, tmp_path, "train", *options(seed, 100, 1))
    # One step was taken back, so the second poison comes a step earlier.
    assert f"first at step {second}, on the images" in f"{caught.value}"
    assert "poison" in f"{caught.value}" and "2 times" in f"{caught.value}"
    assert "\n" not in f"{caught.value}"


def test_the_step_inside_a_loop_is_told(scenes, tmp_path, order):
    seed, first, _, bad = order
    with pytest.raises(RuntimeError, match="no checkpoint yet") as caught:
        run(scenes, tmp_path, "train", *options(seed, 100, 2, loop=10))
    expected = f"first at step {first + 1}, on the images {', '.join(bad)}."
    assert expected in f"{caught.value}"


SETTINGS = cfg.TrainerConfig(loss_upper_bound=10.0, recovery_begin_steps=3)


def observe(watch, step, loss, is_finite=True, name="a"):
    rows = tf.stack([image_names.name_bytes(tf.constant(name))])
    loss, is_finite = tf.constant(loss), tf.constant(is_finite)
    watch.observe(tf.constant(step, tf.int64), loss, is_finite, rows)


def test_the_first_bad_step_is_kept_until_it_is_taken():
    watch = LossWatch(1, SETTINGS)
    observe(watch, 1, 11.0)  # too early to count
    assert watch.take() is None
    observe(watch, 3, 9.0)
    observe(watch, 4, 11.0, name="b")
    observe(watch, 5, np.nan, name="c")
    assert watch.take() == (4, True, ["b"])
    assert watch.take() is None
    observe(watch, 1, np.nan, name="d")
    assert watch.take() == (1, True, ["d"])


def test_gradients_that_are_not_finite_count():
    watch = LossWatch(1, SETTINGS)
    observe(watch, 2, 1.0, is_finite=False, name="é" * 100)
    step, by_loss, (name,) = watch.take()
    assert (
        step == 2
        and not by_loss
        and name == "é" * (image_names.NAME_BYTES // 2)
    )


def test_images_of_a_bad_loss_count_before_those_of_its_gradients():
    bad = [
        BadStep(5, True, ["later"]),
        BadStep(4, False, ["spoiled"]),
        BadStep(4, True, ["guilty", ""]),
    ]
    assert first_step(bad) == (4, True, ["guilty"])
    assert first_step(bad[:2]) == (4, False, ["spoiled"])
    assert first_step([]) is None
