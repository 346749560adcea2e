import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from axial_deeplab.experiments import config_options, summaries
from axial_deeplab.experiments.panoptic_task import PanopticTask
from tests.experiments import case
from tests.experiments.trainer_case import names, run, step_lines, stored

pytestmark = pytest.mark.usefixtures("toy_model")


def test_run_leaves_what_it_promises(scenes, tmp_path, capsys):
    model_dir = tmp_path / "runs" / "shapes"
    _, report = run(scenes, model_dir, "train_and_eval")
    first, second = step_lines(capsys)
    losses = ["semantic_loss", "center_loss", "offset_loss", "loss"]
    for line in (first, second):
        assert re.findall(r"(\w+) [\d.]+  ", line + "  ")[:4] == losses
    assert first.startswith("step 1/2 ") and "left" not in first
    assert re.search(r"steps/s, [\d.]+ images/s, 0:00:00 left$", second)
    assert names(model_dir) == [
        "checkpoint",
        "ckpt-1.data-00000-of-00001",
        "ckpt-1.index",
        "ckpt-2.data-00000-of-00001",
        "ckpt-2.index",
        "evaluation.json",
        "params.yaml",
        "pictures",
        "train",
        "validation",
        "versions.yaml",
    ]
    written = json.loads((model_dir / "evaluation.json").read_text())
    assert written == json.loads(json.dumps(report).replace("NaN", "null"))
    assert type(report["classes"]) is list
    assert {"panoptic_quality", "mean_iou", "classes"} == set(report)


def test_total_loss_is_the_sum_of_its_parts(trained):
    scalars = summaries.read_scalars(trained.folder / "train")
    names = ("semantic_loss", "center_loss", "offset_loss")
    parts = np.array([scalars[name] for name in names])
    total = np.array(scalars["training_loss"])
    np.testing.assert_array_equal(total[:, 0], [1, 2])
    np.testing.assert_allclose(total[:, 1], parts[..., 1].sum(0), rtol=1e-6)


def test_trainer_takes_the_step_of_the_task(scenes, tmp_path, monkeypatch):
    """So that one's own task may change it."""
    parts, take = [], PanopticTask.train_step

    def counted(task, inputs, model, optimizer, metrics, micro_batches):
        parts.append(micro_batches)
        return take(task, inputs, model, optimizer, metrics, micro_batches)

    monkeypatch.setattr(PanopticTask, "train_step", counted)
    run(scenes, tmp_path, "train", "trainer.accumulation_steps=2")
    assert parts and set(parts) == {2}


def test_options_of_a_run_start_the_same_run(scenes, trained):
    again = config_options.experiment_config(
        "axial_deeplab_shapes", [str(trained.folder / "params.yaml")]
    )
    assert again.as_dict() == case.config(scenes).as_dict()


def test_resumed_training_equals_an_unbroken_one(scenes, tmp_path, capsys):
    # One batch of all scenes, unshuffled: where the input stood is not saved.
    same_data = (
        "task.train_data.global_batch_size=4",
        "task.train_data.shuffle_buffer_size=1",
        "task.train_data.flip=false",
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(scenes, whole, "train", *same_data, "trainer.train_steps=4")
    run(scenes, parts, "train", *same_data)
    at_two = stored(parts, 2)
    capsys.readouterr()
    run(scenes, parts, "train", *same_data, "trainer.train_steps=4")
    assert [line.split()[1] for line in step_lines(capsys)] == ["3/4", "4/4"]
    expected, resumed = stored(whole, 4), stored(parts, 4)
    assert set(resumed) == set(expected)
    slots = [name for name in expected if "optimizer" in name]
    assert len(slots) > 3 * 10  # two moments and a slow copy of each weight
    # Biases in front of norms have gradients of rounding errors alone, which
    # depend on how threads share a sum; resume_test.py compares all bits.
    largest = max(np.max(np.abs(expected[name])) for name in slots)
    rounding = np.finfo(np.float32).eps * largest
    assert rounding < 1e-3
    for name, value in expected.items():
        atol = rounding if name in slots else 1e-7
        np.testing.assert_allclose(
            resumed[name], value, rtol=1e-5, atol=atol, err_msg=name
        )
    moved = [np.any(at_two[name] != resumed[name]) for name in slots]
    assert np.mean(moved) > 0.5  # all but the slow copies


def test_ended_training_is_evaluated_again(scenes, trained, capsys):
    _, second = run(scenes, trained.folder, "train_and_eval")
    assert json.dumps(second) == json.dumps(trained.report)
    assert not step_lines(capsys)


def test_evaluation_alone_gives_the_same_numbers(scenes, trained):
    before = names(trained.folder)
    (trained.folder / "evaluation.json").unlink()
    _, evaluated = run(scenes, trained.folder, "eval")
    assert json.dumps(evaluated) == json.dumps(trained.report)
    assert names(trained.folder) == before


def test_continuous_evaluation_ends_with_the_training(scenes, trained):
    _, found = run(scenes, trained.folder, "continuous_eval")
    assert json.dumps(found) == json.dumps(trained.report)


def test_curves_are_drawn(trained, tmp_path):
    assert summaries.plot_curves(str(tmp_path / "new")) is None
    path = summaries.plot_curves(str(trained.folder))
    assert path == trained.folder / "training_curves.png"
    picture = np.asarray(Image.open(path))
    assert picture.shape[2] == 3 and picture.std() > 10
    validation = summaries.read_scalars(trained.folder / "validation")
    assert {"validation_loss", "pq_all", "mean_iou"} <= set(validation)


@pytest.mark.parametrize("optimizer", ["sgd", "radam_lookahead"])
def test_optimizers_with_moving_average_resume(scenes, tmp_path, optimizer):
    rate = "trainer.optimizer_config.learning_rate.warmup_poly"
    options = (
        f"trainer.optimizer_config.optimizer.type={optimizer}",
        "trainer.optimizer_config.ema.average_decay=0.9",
        f"{rate}.base_learning_rate=1e-5",  # more makes SGD diverge
    )
    run(scenes, tmp_path, "train_and_eval", *options)
    more = (*options, "trainer.train_steps=4")
    _, report = run(scenes, tmp_path, "train_and_eval", *more)
    assert report and int(stored(tmp_path, 4)[STEP]) == 4


STEP = "global_step/.ATTRIBUTES/VARIABLE_VALUE"


def test_training_starts_from_parts_of_another_run(scenes, trained, tmp_path):
    first, second = trained.folder, tmp_path / "second"
    frozen = "trainer.optimizer_config.learning_rate.warmup_poly"
    options = (
        "task.model.name=other",
        f"task.init_checkpoint={first}",
        f"{frozen}.base_learning_rate=0.0",
        "trainer.train_steps=1",
    )
    run(scenes, second, "train", *options)
    theirs, ours = stored(first, 2), stored(second, 1)
    kernels = [name for name in theirs if name.startswith("backbone/")]
    kernels = [name for name in kernels if "kernel" in name or "gamma" in name]
    assert len(kernels) == 2
    for name in kernels:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_best_checkpoint_is_kept(scenes, tmp_path):
    options = (
        "trainer.best_checkpoint_export_subdir=best",
        "trainer.best_checkpoint_eval_metric=mean_iou",
    )
    run(scenes, tmp_path, "train_and_eval", *options)
    assert "info.json" in names(tmp_path / "best")
    assert tf.train.latest_checkpoint(tmp_path / "best")


def test_unknown_best_metric_is_named(scenes, tmp_path):
    options = (
        "trainer.best_checkpoint_export_subdir=best",
        "trainer.best_checkpoint_eval_metric=pq",
    )
    with pytest.raises(ValueError, match="'pq'; .*pq_all, .*mean_iou"):
        run(scenes, tmp_path / "run", "train_and_eval", *options)
    assert not (tmp_path / "run").exists()
