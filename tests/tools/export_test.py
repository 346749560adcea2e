import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from axial_deeplab.experiments import panoptic_task
from axial_deeplab.export import PanopticPredictor, load, read_metadata
from tests.experiments import case
from tools import export

pytestmark = pytest.mark.usefixtures("toy_model")


def run(
    output_dir,
    checkpoint,
    *options,
    flags_too=(),
    experiment="axial_deeplab_shapes",
):
    values = flags.FlagValues()
    export.define_flags(values)
    values(
        [
            "export.py",
            f"--experiment={experiment}",
            f"--checkpoint={checkpoint}",
            f"--output_dir={output_dir}",
            f"--params_override={','.join(options)}",
            *flags_too,
        ]
    )
    return export.export(values)


def names(folder):
    return sorted(path.name for path in pathlib.Path(folder).iterdir())


def test_saved_model_predicts_as_the_trained_one(trained, tmp_path):
    model, _, folder = trained
    threshold = "task.postprocess.center_threshold=0.3"
    text = run(tmp_path / "a" / "saved", folder, threshold)
    assert text == f"Exported {folder}/ckpt-2 to {tmp_path}/a/saved"
    settings = read_metadata(tmp_path / "a" / "saved").postprocess
    assert settings.center_threshold == 0.3
    assert settings == panoptic_task.panoptic_settings(
        case.config(tmp_path, threshold).task
    )
    live = PanopticPredictor(model, settings)
    loaded = tf.saved_model.load(str(tmp_path / "a" / "saved"))
    rng = np.random.default_rng(0)
    for size in ((33, 33), (20, 41)):
        images = tf.constant(rng.integers(0, 256, (2, *size, 3)), tf.uint8)
        expected = live.predict(images)
        found = loaded.signatures["serving_default"](images=images)
        for name in ("panoptic", "semantic", "instance"):
            np.testing.assert_array_equal(found[name], expected[name])
        assert len(np.unique(found["panoptic"])) > 1


def test_older_checkpoint_can_be_named(trained, tmp_path):
    folder = trained.folder
    text = run(tmp_path / "saved", folder / "ckpt-1")
    assert text == f"Exported {folder}/ckpt-1 to {tmp_path}/saved"


def test_export_replaces_a_saved_model_only(trained, tmp_path):
    folder = trained.folder
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("kept")
    with pytest.raises(FileExistsError, match=f"{other} exists and is no"):
        run(other, folder)
    assert names(other) == ["notes.txt"]
    run(tmp_path / "saved", folder, "task.postprocess.nms_kernel_px=3")
    run(tmp_path / "saved", folder, "task.postprocess.nms_kernel_px=5")
    settings = read_metadata(tmp_path / "saved").postprocess
    assert settings.nms_kernel_px == 5
    assert names(tmp_path) == ["other", "run", "saved"]


def no_checkpoint(folder):
    for path in folder.glob("ckpt-*"):
        path.unlink()


def cut_data(folder):
    path = folder / "ckpt-2.data-00000-of-00001"
    os.truncate(path, path.stat().st_size // 2)


def cut_index(folder):
    os.truncate(folder / "ckpt-2.index", 100)


@pytest.mark.parametrize(
    "spoil, error, message",
    [
        (no_checkpoint, FileNotFoundError, "There is no checkpoint at .*/run"),
        (cut_data, ValueError, "run/ckpt-2 cannot be restored: "),
        (cut_index, ValueError, "run/ckpt-2 cannot be restored: "),
    ],
)
def test_unusable_checkpoint_is_named(trained, tmp_path, spoil, error, message):
    folder = trained.folder
    spoil(folder)
    with pytest.raises(error, match=message):
        run(tmp_path / "saved", folder)
    assert names(tmp_path) == ["run"]


def test_checkpoint_of_another_model_is_refused(trained, tmp_path):
    folder = trained.folder
    with pytest.raises(ValueError, match="ckpt-2 is of another model"):
        run(tmp_path / "saved", folder, "task.model.name=other")
    assert names(tmp_path) == ["run"]


def test_unknown_option_is_named(trained, tmp_path):
    with pytest.raises(ValueError, match="task.colour: unknown option"):
        run(tmp_path / "saved", trained.folder, "task.colour=1")


def test_semantic_experiments_are_exported(monkeypatch, tmp_path):
    model = case.ToyModel(case.NUM_CLASSES)
    images = tf.constant(np.arange(2 * 9 * 17 * 3).reshape(2, 9, 17, 3) % 255)
    images = tf.cast(images, tf.uint8)
    logits = model(images)["semantic_logits"]
    monkeypatch.setattr(export.SemanticTask, "build_model", lambda _: model)
    prefix = tf.train.Checkpoint(model=model).write(str(tmp_path / "ckpt"))
    run(
        tmp_path / "saved",
        prefix,
        flags_too=["--windows_px=32,16"],
        experiment="segnext_shapes",
    )
    found = load(tmp_path / "saved")
    assert found.metadata.postprocess is None
    assert "windows of 32 pixels" in found.card
    best = np.take_along_axis(
        logits.numpy(),
        found.predict(images)["semantic"].numpy()[..., np.newaxis],
        axis=-1,
    )
    np.testing.assert_allclose(best[..., 0], np.max(logits, -1), rtol=1e-4)


def test_flags_shape_the_export(trained, tmp_path):
    folder = trained.folder
    (folder / "evaluation.json").write_text(
        '{"panoptic_quality": {"All": {"pq": 0.25, "sq": 0.5, "rq": 0.5}, '
        '"Things": {"pq": null, "sq": null, "rq": null}, '
        '"Stuff": {"pq": 0.25, "sq": 0.5, "rq": 0.5}}, "mean_iou": 0.125}'
    )
    flagged = ("--scales=0.5,1", "--flip", "--licence=CC0", "--max_pixels=900")
    run(tmp_path / "saved", folder, flags_too=flagged)
    saved = load(tmp_path / "saved")
    for words in ("scales 0.5, 1 and mirror", "CC0", "900", "mIoU: 12.5"):
        assert words in saved.card
    with pytest.raises(tf.errors.InvalidArgumentError, match="900 pixels"):
        saved.predict(tf.zeros([1, 31, 30, 3], tf.uint8))


def test_bad_size_is_named(tmp_path):
    with pytest.raises(ValueError, match="size_px must be two .* got 9,x"):
        run(tmp_path / "saved", "none", flags_too=["--size_px=9,x"])
