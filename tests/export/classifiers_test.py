"""SavedModels of classifiers."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.export import export_classifier
from axial_deeplab.models.image_classifier import ImageClassifier
from tests.models.tiny_models import images, settle, tiny_backbone


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A classifier, the folder of its export, and what that holds."""
    model = settle(ImageClassifier(tiny_backbone(32), 5))
    folder = tmp_path_factory.mktemp("exports") / "classifier"
    path = export_classifier(model, folder, "tiny")
    return model, path, tf.saved_model.load(str(path))


@pytest.mark.parametrize("size", [(33, 40), (20, 17)])
def test_exports_predict_as_their_models(exported, size):
    x = images(*size)
    model, _, loaded = exported
    found = loaded.signatures["serving_default"](images=x)
    expected = tf.nn.softmax(model(x))
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(found["class"], np.argmax(expected, -1))


def test_exports_describe_themselves(exported):
    assert "into 5 classes" in (exported[1] / "README.md").read_text()


def test_folders_with_other_files_are_refused(exported, tmp_path):
    (tmp_path / "notes.txt").write_text("kept")
    with pytest.raises(FileExistsError, match="is no SavedModel"):
        export_classifier(exported[0], tmp_path, "b")


def test_what_is_no_image_is_refused(exported):
    predict = exported[2].signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="3 channels"):
        predict(images=tf.zeros([1, 9, 9, 4], tf.uint8))
