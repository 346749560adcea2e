"""Axial vision transformers of all three kinds, exported by the tool."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.experiments import image_task
from axial_deeplab.export import load
from axial_deeplab.export.panoptic_predictor import panoptic_maps
from tests.layers.layer_case import randomize
from tests.models import tiny_axial_vits
from tests.models.tiny_models import images
from tests.tools.export_test import run

CLASSIFIER = "imagenet_axial_vit_tiny"


@pytest.fixture
def export(monkeypatch, tmp_path):
    """Exports a model, with random weights, of an experiment; both."""

    def build_and_export(build, experiment, *given):
        def create_model(name, num_classes, **_):
            assert name in experiment
            model = build(num_classes)
            model.build((None, None, None, 3))
            return model

        monkeypatch.setattr(image_task, "create_model", create_model)
        classes = {"imagenet": 1000, "semantic": 150, "panoptic": 134}
        model = build(classes[experiment.partition("_")[0]])
        model(images(8, 8))
        randomize(model)
        checkpoint = tf.train.Checkpoint(model=model)
        prefix = checkpoint.write(str(tmp_path / "ckpt"))
        text = run(
            tmp_path / "saved", prefix, flags_too=given, experiment=experiment
        )
        assert text == f"Exported {prefix} to {tmp_path}/saved"
        return model, tmp_path / "saved"

    return build_and_export


def test_classifiers_are_exported(export):
    model, path = export(
        tiny_axial_vits.tiny_classifier, CLASSIFIER, "--max_pixels=900"
    )
    predict = tf.saved_model.load(str(path)).signatures["serving_default"]
    for x in (images(29, 31), images(9, 40)):
        found, expected = predict(images=x), tf.nn.softmax(model(x))
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
        np.testing.assert_array_equal(found["class"], np.argmax(expected, -1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="900 pixels"):
        predict(images=images(31, 30))


def test_flags_that_are_not_for_classifiers_are_named(tmp_path):
    with pytest.raises(ValueError, match="not take --flip, --size_px."):
        run(
            *(tmp_path / "saved", "none"),
            flags_too=["--size_px=9,9", "--flip"],
            experiment=CLASSIFIER,
        )


def test_semantic_models_are_exported(export):
    model, path = export(
        tiny_axial_vits.tiny_semantic, "semantic_axial_vit_tiny_ade20k"
    )
    x = images(33, 47)
    logits = model(x)[keys.SEMANTIC_LOGITS].numpy()
    found = load(path).predict(x)["semantic"].numpy()[..., np.newaxis]
    best = np.take_along_axis(logits, found, axis=-1)[..., 0]
    np.testing.assert_allclose(best, logits.max(-1), rtol=1e-4, atol=1e-5)
    assert len(np.unique(found)) > 1


def test_panoptic_models_are_exported(export):
    model, path = export(
        tiny_axial_vits.tiny_panoptic, "panoptic_deeplab_axial_vit_tiny_coco"
    )
    x, saved = images(33, 47), load(path)
    outputs = model(x, training=False)
    probabilities = tf.nn.softmax(outputs[keys.SEMANTIC_LOGITS])
    outputs |= {keys.SEMANTIC_PROBABILITIES: probabilities}
    expected = panoptic_maps(outputs, saved.metadata.postprocess)
    found = saved.predict(x)
    for name in (keys.PANOPTIC, keys.SEMANTIC):
        same = np.mean(found[name].numpy() == expected[name].numpy())
        assert same > 0.99, name
