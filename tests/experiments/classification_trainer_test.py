import json

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.experiments import (
    evaluation_pictures,
    summaries,
    trainer,
)
from axial_deeplab.visualization_classes import class_sheet
from tests.data import labelled_case
from tests.experiments import classification_case as case
from tests.experiments.trainer_case import names, step_lines


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with the same pictures as records and as folders."""
    folder = tmp_path_factory.mktemp("images")
    labelled_case.write_records(folder)
    labelled_case.write_folders(folder / "folders")
    return folder


@pytest.fixture(autouse=True)
def toy_classifier(monkeypatch):
    case.use_toy_classifier(monkeypatch)


def run(images, model_dir, mode, *more):
    config = case.config(images, *more)
    return trainer.run_experiment(config, mode, str(model_dir))


def averaged(model_dir, step):
    """The toy with the averaged weights of a checkpoint."""
    model = case.toy_classifier(num_classes=3)
    reader = tf.train.load_checkpoint(f"{model_dir}/ckpt-{step}")
    stored = reader.get_variable_to_shape_map()
    slots = [name for name in stored if "/optimizer/average/" in name]
    raw = tf.train.Checkpoint(model=model).read(f"{model_dir}/ckpt-{step}")
    raw.expect_partial().assert_existing_objects_matched()
    assert len(slots) == len(model.weights)
    for weight in model.weights:
        found = [
            reader.get_tensor(name)
            for name in slots
            if np.array_equal(reader.get_tensor(_owner(name)), weight)
        ]
        assert len(found) == 1, weight.name
        weight.assign(found[0])
    return model


def _owner(slot):
    return slot.replace("/.OPTIMIZER_SLOT/optimizer/average", "")


def test_evaluation_is_that_of_the_averaged_weights(images, tmp_path, capsys):
    _, report = run(images, tmp_path, "train_and_eval")
    assert json.loads((tmp_path / "evaluation.json").read_text()) == report
    first, second = step_lines(capsys)
    assert first.startswith("step 2/4  classification_loss ")
    assert "  top_1 " in second and "  loss " in second

    model = averaged(tmp_path, 4)
    pictures = np.stack(
        [labelled_case.picture(i)[2:22] for i in range(labelled_case.COUNT)]
    )
    logits = model(pictures).numpy()
    labels = [labelled_case.label(i) for i in range(labelled_case.COUNT)]
    assert report["images"] == labelled_case.COUNT
    assert report["top_1"] == pytest.approx(np.mean(logits.argmax(1) == labels))
    target = 0.9 * tf.one_hot(labels, 3) + 0.1 / 3
    losses = tf.nn.softmax_cross_entropy_with_logits(target, logits)
    assert report["loss"] == pytest.approx(np.mean(losses), rel=1e-4)

    _, again = run(images, tmp_path, "eval")
    assert again == pytest.approx(report, rel=1e-4)


def test_resumed_training_is_told_as_a_table(images, tmp_path):
    run(images, tmp_path, "train")
    assert "evaluation.json" not in names(tmp_path)
    config = case.config(images, "trainer.train_steps=6")
    _, report = trainer.run_experiment(config, "train_and_eval", str(tmp_path))
    assert "ckpt-6.index" in names(tmp_path)
    head, *lines = trainer.format_report(config, report).splitlines()
    assert head.split() == ["value"]
    assert [line.split()[0] for line in lines] == [
        "top-1",
        "top-5",
        "loss",
        "images",
    ]
    assert lines[1].split()[1] == "100.00" and lines[3].split()[1] == "7"
    assert summaries.plot_curves(str(tmp_path))
    curves = summaries.read_scalars(tmp_path / "validation")
    assert {"validation_loss", "top_1", "top_5"} <= set(curves)


def test_folders_train_too_and_name_the_classes(images, tmp_path, monkeypatch):
    drawn = []

    def sheet(rows):
        drawn.append(rows)
        return class_sheet(rows)

    monkeypatch.setattr(evaluation_pictures, "class_sheet", sheet)
    folder = images / "folders"
    config = case.config(
        images,
        f"task.train_data.input_path={folder}",
        f"task.validation_data.input_path={folder}",
        "trainer.train_steps=2",
        "trainer.best_checkpoint_export_subdir=best",
        "trainer.best_checkpoint_eval_metric=top_1",
    )
    _, report = trainer.run_experiment(config, "train_and_eval", str(tmp_path))
    assert report["images"] == labelled_case.COUNT
    assert "info.json" in names(tmp_path / "best")
    assert names(tmp_path / "pictures") == ["predictions_0000002.png"]
    (rows,) = drawn
    assert len(rows) == 4 and rows[0].truth == labelled_case.CLASSES[0]
    assert {name for name, _ in rows[0].predicted} == set(labelled_case.CLASSES)


@pytest.mark.parametrize(
    "option, message",
    [
        ("task.train_data.input_path=''", "task.train_data.input_path is em"),
        ("task.validation_data.global_batch_size=0", "validation_data.global"),
        ("task.train_data.area_range=[0.5,0.1]", "`area_range` must be"),
        ("task.losses.label_smoothing=1.5", "label_smoothing must be below"),
        (
            "task.class_names=[a,b]",
            "class_names must have .*=3.* got 2",
        ),
        (
            "trainer.best_checkpoint_export_subdir=best,"
            "trainer.best_checkpoint_eval_metric=mean_iou",
            "known: .*top_1",
        ),
    ],
)
def test_unfit_option_is_named_and_nothing_is_left(
    images, tmp_path, option, message
):
    with pytest.raises(ValueError, match=message):
        run(images, tmp_path / "run", "train_and_eval", option)
    assert not names(tmp_path)
