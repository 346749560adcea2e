"""Every model name through its configuration and through files of Keras."""

import gc
import io
import zipfile

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import create_model, list_models

CLASSES = 3
# One of each family and kind of part. Of all others files are written, on
# demand, and a file holds the configuration, too.
FEW = (
    "axial_vit_tiny",
    "axial_deeplab_xs",
    "pooled_axial_resnet_26_s",
    "sasa_resnet_26_attention_stem",
    "segnext_t",
)


@pytest.fixture(autouse=True)
def members_in_memory(monkeypatch):
    """Spares minutes: before Python 3.12 each seek reads a file from its start.

    Keras seeks some thousand times in the weights of a .keras file.
    """
    open_member = zipfile.ZipFile.open

    def opened(archive, name, mode="r", *arguments, **options):
        member = open_member(archive, name, mode, *arguments, **options)
        if mode != "r":
            return member
        with member:
            return io.BytesIO(member.read())

    monkeypatch.setattr(zipfile.ZipFile, "open", opened)


def _create(name):
    """With few classes; backbones have none."""
    options = {} if name.endswith("_backbone") else {"num_classes": CLASSES}
    return create_model(name, **options)


def _config(model):
    """All options, without the sizes at which parts happened to be built."""
    return _without(tf_keras.layers.serialize(model), "build_config")


def _without(config, key):
    if isinstance(config, dict):
        return {k: _without(v, key) for k, v in config.items() if k != key}
    if isinstance(config, list | tuple):
        return [_without(value, key) for value in config]
    return config


@pytest.mark.parametrize("name", FEW)
def test_configuration_makes_the_same_model(name):
    model = _create(name)
    again = tf_keras.layers.deserialize(tf_keras.layers.serialize(model))
    assert type(again) is type(model) and again is not model
    assert _config(again) == _config(model)


@pytest.mark.large
@pytest.mark.parametrize("name", list_models())
def test_files_keep_the_outputs(name, tmp_path):
    """A .keras file whole, and a file of weights in a model of the name."""
    model = _create(name)
    images = np.random.default_rng(0).uniform(0, 255, (1, 33, 47, 3))
    images = images.astype(np.float32)
    expected = model(images)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "all.weights.h5")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    assert _config(loaded) == _config(model)
    _assert_equal(loaded(images), expected)
    (tmp_path / "model.keras").unlink()
    del loaded
    gc.collect()
    # Made anew, the largest would take as long again.
    for weight in model.weights:
        weight.assign(tf.zeros_like(weight))
    model.load_weights(tmp_path / "all.weights.h5")
    _assert_equal(model(images), expected)
    (tmp_path / "all.weights.h5").unlink()


def _assert_equal(found, expected):
    tf.nest.assert_same_structure(found, expected)
    for one, other in zip(
        tf.nest.flatten(found), tf.nest.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
