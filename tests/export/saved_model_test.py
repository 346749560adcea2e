import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.export import (
    ExportMetadata,
    PanopticPredictor,
    export_saved_model,
    read_metadata,
)
from axial_deeplab.postprocess import panoptic_prediction
from tests.export.toy import TOY_DATASET, TOY_SETTINGS, ToyPanopticModel
from tests.layers.layer_case import randomize
from tests.models.tiny_models import tiny_panoptic


def _images(batch, height, width):
    rng = np.random.default_rng(height)
    return rng.integers(0, 256, (batch, height, width, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return ToyPanopticModel()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "new" / "model"
    return export_saved_model(
        model, TOY_DATASET, TOY_SETTINGS, folder, with_probabilities=True
    )


@pytest.fixture(scope="module")
def serve(exported):
    # The signature holds its module only weakly.
    loaded = tf.saved_model.load(str(exported))
    return lambda images: loaded.signatures["serving_default"](
        images=tf.constant(images)
    )


@pytest.mark.parametrize("size", [(1, 20, 31), (3, 9, 9), (2, 1, 17)])
def test_saved_model_equals_live_model(model, serve, size):
    images = _images(*size)
    outputs = model(images)
    probabilities = tf.nn.softmax(outputs[keys.SEMANTIC_LOGITS])
    expected = panoptic_prediction(
        probabilities,
        outputs[keys.CENTER_HEATMAP],
        outputs[keys.CENTER_OFFSET],
        TOY_SETTINGS,
    )
    served = serve(images)
    assert set(served) == {
        "panoptic",
        "semantic",
        "instance",
        "instance_score",
        "semantic_probabilities",
    }
    for name in ("panoptic", "semantic", "instance"):
        assert served[name].dtype == tf.int32
        np.testing.assert_array_equal(served[name], expected[name], name)
    np.testing.assert_allclose(
        served["instance_score"], expected["instance_score"], rtol=1e-5
    )
    np.testing.assert_allclose(
        served["semantic_probabilities"], probabilities, atol=1e-6
    )
    if size[1] > 1:
        assert len(np.unique(served["panoptic"])) > 3


def test_norms_of_attention_are_folded_into_the_export(tmp_path):
    # The toy has three classes.
    model = tiny_panoptic(num_classes=3)
    images = _images(1, 40, 33)
    model(images)
    randomize(model)
    folder = export_saved_model(
        model, TOY_DATASET, TOY_SETTINGS, tmp_path / "model"
    )
    loaded = tf.saved_model.load(str(folder))
    names = [variable.name for variable in loaded.weights]
    assert not [name for name in names if "qkv_norm" in name]
    assert [name for name in names if "decoder" in name]
    served = loaded.signatures["serving_default"](images=tf.constant(images))
    live = PanopticPredictor(model, TOY_SETTINGS).predict(images)
    np.testing.assert_array_equal(served["panoptic"], live["panoptic"])


def test_one_pixel_works(serve):
    served = serve(_images(1, 1, 1))
    assert served["panoptic"].shape == (1, 1, 1)


@pytest.mark.parametrize("size", [(1, 0, 5), (1, 5, 0)])
def test_image_without_pixels_is_named(serve, size):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="at least one pixel"
    ):
        serve(_images(*size))


_FRESH = """
import sys
import numpy as np
import tensorflow as tf

folder, images, result = sys.argv[1:]
loaded = tf.saved_model.load(folder)
served = loaded.signatures["serving_default"](images=np.load(images))
assert not {"axial_deeplab", "tf_keras"} & set(sys.modules)
np.save(result, served["panoptic"])
"""


def test_fresh_process_needs_only_tensorflow(exported, serve, tmp_path):
    images = _images(2, 12, 13)
    np.save(tmp_path / "images.npy", images)
    files = [exported, tmp_path / "images.npy", tmp_path / "result.npy"]
    done = subprocess.run(
        [sys.executable, "-c", _FRESH, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(files[2]), serve(images)["panoptic"])


def test_export_holds_its_metadata_and_leaves_nothing_beside(exported):
    assert read_metadata(exported) == ExportMetadata(TOY_DATASET, TOY_SETTINGS)
    assert list(exported.parent.iterdir()) == [exported]


def test_export_replaces_a_saved_model_but_nothing_else(model, tmp_path):
    folder = tmp_path / "model"
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder)
    (folder / "old").touch()
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder)
    assert not (folder / "old").exists()
    assert (folder / "saved_model.pb").exists()
    (folder / "saved_model.pb").unlink()
    with pytest.raises(FileExistsError, match="no SavedModel"):
        export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder)


def test_model_with_other_classes_is_refused(tmp_path):
    model = ToyPanopticModel(num_classes=4)
    with pytest.raises(ValueError, match="predicts 4 classes"):
        export_saved_model(model, TOY_DATASET, TOY_SETTINGS, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_model_with_other_outputs_is_refused():
    model = tf_keras.Sequential([tf_keras.layers.Conv2D(3, 1)])
    with pytest.raises(ValueError, match="semantic_logits"):
        PanopticPredictor(model, TOY_SETTINGS)


def test_failed_export_leaves_no_files(model, tmp_path, monkeypatch):
    def full_disk(module, path, signatures, options):
        pathlib.Path(path).mkdir()
        raise OSError("no space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        export_saved_model(model, TOY_DATASET, TOY_SETTINGS, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_mixed_precision_model_is_served_with_float32_probabilities(tmp_path):
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = ToyPanopticModel()
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, tmp_path / "m", True)
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    images = tf.constant(_images(1, 8, 9))
    served = loaded.signatures["serving_default"](images=images)
    probabilities = served["semantic_probabilities"]
    assert model(images)[keys.SEMANTIC_LOGITS].dtype == tf.bfloat16
    assert probabilities.dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_sum(probabilities, -1), 1, rtol=1e-6)
