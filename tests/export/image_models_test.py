"""SavedModels of classifiers and semantic models."""

import json

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.export import export_image_model
from axial_deeplab.models.image_classifier import ImageClassifier
from tests.models.tiny_models import (
    images,
    settle,
    tiny_backbone,
    tiny_semantic,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A classifier and a semantic model, and their loaded exports."""
    folder, found = tmp_path_factory.mktemp("exports"), {}
    models = {
        "classes": ImageClassifier(tiny_backbone(32), 5),
        "pixels": tiny_semantic(9),
    }
    for name, model in models.items():
        dataset = dataset_spec("shapes") if name == "pixels" else None
        settle(model)
        path = export_image_model(model, folder / name, name, dataset)
        found[name] = model, path, tf.saved_model.load(str(path))
    return found


@pytest.mark.parametrize("size", [(33, 40), (20, 17)])
def test_exports_predict_as_their_models(exported, size):
    x = images(*size)
    model, _, loaded = exported["classes"]
    found = loaded.signatures["serving_default"](images=x)
    expected = tf.nn.softmax(model(x))
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(found["class"], np.argmax(expected, -1))
    model, _, loaded = exported["pixels"]
    found = loaded.signatures["serving_default"](images=x)[keys.SEMANTIC]
    expected = np.argmax(model(x)[keys.SEMANTIC_LOGITS], -1)
    assert found.shape == (2, *size)
    assert np.mean(found == expected) > 0.999  # but for ties


def test_exports_describe_themselves(exported):
    for name, words in (("classes", "5 classes"), ("pixels", "`shapes`")):
        path = exported[name][1]
        assert words in (path / "README.md").read_text()
        table = json.loads((path / "assets/dataset.json").read_text())
        assert (table["dataset"] is None) == (name == "classes")


def test_other_numbers_of_classes_and_folders_are_refused(exported, tmp_path):
    model = exported["pixels"][0]
    with pytest.raises(ValueError, match="9 classes .*'isaid' has 16"):
        export_image_model(model, tmp_path / "a", "b", dataset_spec("isaid"))
    (tmp_path / "notes.txt").write_text("kept")
    with pytest.raises(FileExistsError, match="is no SavedModel"):
        export_image_model(model, tmp_path, "b")


def test_what_is_no_image_is_refused(exported):
    predict = exported["classes"][2].signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="3 channels"):
        predict(images=tf.zeros([1, 9, 9, 4], tf.uint8))
