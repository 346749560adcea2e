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
    ExportOptions,
    PanopticPredictor,
    export_saved_model,
    read_metadata,
)
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.postprocess import instance_lists, panoptic_prediction
from tests.export.toy import TOY_DATASET, TOY_SETTINGS, ToyPanopticModel
from tests.layers.layer_case import randomize


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
        model,
        TOY_DATASET,
        TOY_SETTINGS,
        folder,
        ExportOptions(with_probabilities=True),
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
        "instance_ids",
        "instance_classes",
        "instance_scores",
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
    lists = instance_lists(expected, probabilities, TOY_SETTINGS)
    for name in ("instance_ids", "instance_classes"):
        np.testing.assert_array_equal(served[name], lists[name], name)
    if size[1] > 1:
        assert len(np.unique(served["panoptic"])) > 3


class AttentiveModel(ToyPanopticModel):
    """The toy with axial attention behind its stem."""

    def __init__(self):
        super().__init__()
        attention = AxialAttention(8, 8, "width", heads=2, max_distance=40)
        self.stem.add(attention)


def test_norms_of_attention_are_folded_into_the_export(tmp_path):
    model = AttentiveModel()
    images = _images(1, 40, 33)
    model(images)
    randomize(model)
    options = ExportOptions(with_features=False)
    folder = export_saved_model(
        model, TOY_DATASET, TOY_SETTINGS, tmp_path / "model", options
    )
    loaded = tf.saved_model.load(str(folder))
    names = [variable.name for variable in loaded.weights]
    assert not [name for name in names if "qkv_norm" in name]
    assert [name for name in names if "batch_normalization" in name]
    served = loaded.signatures["serving_default"](images=tf.constant(images))
    live = PanopticPredictor(model, TOY_SETTINGS, options).predict(images)
    np.testing.assert_array_equal(served["panoptic"], live["panoptic"])


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
    options = ExportOptions(with_probabilities=True)
    export_saved_model(
        model, TOY_DATASET, TOY_SETTINGS, tmp_path / "m", options
    )
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    images = tf.constant(_images(1, 8, 9))
    served = loaded.signatures["serving_default"](images=images)
    probabilities = served["semantic_probabilities"]
    assert model(images)[keys.SEMANTIC_LOGITS].dtype == tf.bfloat16
    assert probabilities.dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_sum(probabilities, -1), 1, rtol=1e-6)


def test_multi_scale_is_baked_in(model, tmp_path):
    multi_scale = MultiScale((0.5, 1.0), flip=True)
    options = ExportOptions(with_probabilities=True, multi_scale=multi_scale)
    export_saved_model(
        model, TOY_DATASET, TOY_SETTINGS, tmp_path / "m", options
    )
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    images = tf.constant(_images(2, 15, 12))
    served = loaded.signatures["serving_default"](images=images)
    means = multi_scale.predict(model, images)
    expected = panoptic_prediction(
        means[keys.SEMANTIC_PROBABILITIES],
        means[keys.CENTER_HEATMAP],
        means[keys.CENTER_OFFSET],
        TOY_SETTINGS,
    )
    np.testing.assert_allclose(
        served["semantic_probabilities"],
        means[keys.SEMANTIC_PROBABILITIES],
        atol=1e-5,
    )
    np.testing.assert_array_equal(served["panoptic"], expected["panoptic"])


@pytest.mark.parametrize(
    ("weights_type", "limit"), [("float16", 1e-2), ("bfloat16", 1e-1)]
)
def test_weights_in_half_precision(model, tmp_path, weights_type, limit):
    folder = tmp_path / "m"
    options = ExportOptions(weights_type=weights_type)
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder, options)
    loaded = tf.saved_model.load(str(folder))
    assert {one.dtype.name for one in loaded.weights} == {weights_type}
    images = tf.constant(_images(1, 9, 12), tf.float32)
    served = loaded.signatures["heads"](images=images)
    rounded = ToyPanopticModel()
    rounded(images)
    halves = [tf.cast(one, weights_type) for one in model.weights]
    rounded.set_weights([tf.cast(one, tf.float32).numpy() for one in halves])
    for name, expected in rounded(images).items():
        np.testing.assert_allclose(served[name], expected, atol=1e-5)
        exact = model(images)[name]
        assert 0 < np.abs(served[name] - exact).max() < limit * np.ptp(exact)
    # The model itself is as it was.
    assert {one.dtype for one in model.weights} == {tf.float32}
    assert isinstance(model.stem.layers[0].kernel, tf.Variable)


def test_one_fixed_size(model, tmp_path):
    options = ExportOptions(size_px=(12, 15), multi_scale=MultiScale((0.5, 1)))
    folder = tmp_path / "m"
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder, options)
    loaded = tf.saved_model.load(str(folder))
    assert set(loaded.signatures) == {"serving_default", "heads"}
    serve = loaded.signatures["serving_default"]
    assert serve.inputs[0].shape.as_list() == [None, 12, 15, 3]
    for operation in serve.graph.get_operations():
        for output in operation.outputs:
            sides = output.shape.as_list() if output.shape.rank == 4 else []
            assert None not in sides[1:], operation.name
    images = tf.constant(_images(2, 12, 15))
    live = PanopticPredictor(model, TOY_SETTINGS, options).predict(images)
    np.testing.assert_array_equal(
        serve(images=images)["panoptic"], live["panoptic"]
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"weights_type": "int8"}, "`weights_type` must be one of float32"),
        ({"max_pixels": 1}, "`max_pixels` must be at least 2"),
        ({"size_px": (1, 1)}, "`size_px` must be"),
        ({"size_px": (9,)}, "`size_px` must be"),
        ({"batch_size": 2}, "`batch_size` must be .*, and needs `size_px`"),
    ],
)
def test_bad_options_are_named(option, words):
    with pytest.raises(ValueError, match=words):
        ExportOptions(**option)
