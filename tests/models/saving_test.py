import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.models.image_classifier import ImageClassifier
from tests.models.tiny_models import (
    assert_near,
    images,
    settle,
    tiny_backbone,
    tiny_panoptic,
)

PROJECT = pathlib.Path(__file__).resolve().parents[2]

# Context, span and the third low level have settings of their own to save.
OPTIONS = {"output_stride": 32, "span": 3, "aspp": True}


@pytest.fixture(scope="module")
def model():
    model = settle(tiny_panoptic(**OPTIONS))
    for branch in (model.decoder.semantic, model.decoder.instance):
        branch.context.drop.rate = 0.0  # random, hence not comparable
        branch.context.dropout = 0.0
    return model


@pytest.fixture(scope="module")
def traced(model):
    """A fresh process runs the same graph, so it must give the same bits."""
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
    return tf.function(
        lambda x: model(x, training=False), input_signature=[spec]
    )


@pytest.fixture(scope="module")
def loaded(model, traced, tmp_path_factory):
    """Outputs of the saved files in a process that only imports us."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "images.npy", images(33, 40))
    model.save(folder / "model.keras")
    module = tf.Module()
    module.variables_of_model, module.traced = model.variables, traced
    tf.saved_model.save(
        module, str(folder / "saved_model"), {"serving_default": traced}
    )
    command = [sys.executable, "-m", "tests.models.load_saved", folder]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    with np.load(folder / "loaded.npz") as data:
        return dict(data)


@pytest.mark.parametrize("how", ["keras", "keras_training", "saved_model"])
def test_a_fresh_process_gives_the_same_bits(model, traced, loaded, how):
    pixels = images(33, 40)
    before = model.get_weights()
    expected = {
        "keras": lambda: model(pixels),
        "keras_training": lambda: model(pixels, training=True),
        "saved_model": lambda: traced(pixels),
    }[how]()
    model.set_weights(before)  # training moved the statistics
    assert set(expected) == {"/".join(k.split("/")[1:]) for k in loaded}
    for name, value in expected.items():
        np.testing.assert_array_equal(loaded[f"{how}/{name}"], value, name)


def test_weights_round_trip(model, tmp_path):
    model.save_weights(tmp_path / "all.weights.h5")
    fresh = tiny_panoptic(**OPTIONS)
    fresh.build((None, None, None, 3))
    fresh.load_weights(tmp_path / "all.weights.h5")
    for one, other in zip(fresh.weights, model.weights, strict=True):
        np.testing.assert_array_equal(one, other, one.name)


def test_checkpoints_hand_the_backbone_to_another_model(model, tmp_path):
    parts = tf.train.Checkpoint(**model.checkpoint_items)
    path = parts.write(str(tmp_path / "checkpoint"))
    backbone = tiny_backbone(32, span=3, axial_from=16)
    classifier = ImageClassifier(backbone, 7)
    classifier.build((None, None, None, 3))
    status = tf.train.Checkpoint(backbone=classifier.backbone).read(path)
    status.assert_existing_objects_matched().expect_partial()
    pixels = images(33, 40)
    expected = model.backbone(pixels)
    for level, value in classifier.backbone(pixels).items():
        np.testing.assert_array_equal(value, expected[level], level)


@pytest.mark.large  # Keras traces every layer four times
def test_keras_saved_model_takes_any_size(tmp_path):
    model = settle(tiny_panoptic())
    model.save(tmp_path / "model", save_format="tf")
    loaded = tf_keras.models.load_model(tmp_path / "model")
    for size in ((33, 40), (20, 17)):
        pixels = tf.cast(images(*size), tf.float32)
        expected = model(pixels)
        for name, value in loaded(pixels).items():
            assert_near(value, expected[name], name)
