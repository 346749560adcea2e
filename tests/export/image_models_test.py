"""The SavedModel of a classifier; that of a semantic model is with SegNeXt."""

import json

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.export import export_image_model
from axial_deeplab.models.image_classifier import ImageClassifier
from tests.models.tiny_models import images, settle, tiny_backbone


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A classifier, the folder of its export, and that loaded."""
    folder = tmp_path_factory.mktemp("exports") / "saved"
    model = settle(ImageClassifier(tiny_backbone(32), 5))
    path = export_image_model(model, folder, "tiny")
    return model, path, tf.saved_model.load(str(path))


@pytest.mark.parametrize("size", [(33, 40), (20, 17)])
def test_export_predicts_as_its_model(exported, size):
    model, _, loaded = exported
    x = images(*size)
    found = loaded.signatures["serving_default"](images=x)
    expected = tf.nn.softmax(model(x))
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(found["class"], np.argmax(expected, -1))


def test_export_describes_itself(exported):
    path = exported[1]
    assert "5 classes" in (path / "README.md").read_text()
    table = json.loads((path / "assets/dataset.json").read_text())
    assert table["dataset"] is None


def test_other_numbers_of_classes_and_folders_are_refused(exported, tmp_path):
    model = exported[0]
    with pytest.raises(ValueError, match="5 classes .*'isaid' has 16"):
        export_image_model(model, tmp_path / "a", "b", dataset_spec("isaid"))
    (tmp_path / "notes.txt").write_text("kept")
    with pytest.raises(FileExistsError, match="is no SavedModel"):
        export_image_model(model, tmp_path, "b")


def test_what_is_no_image_is_refused(exported):
    predict = exported[2].signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="3 channels"):
        predict(images=tf.zeros([1, 9, 9, 4], tf.uint8))
