"""Every model name through its configuration and through files of Keras."""

import gc

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import create_model, list_models

CLASSES = 3
# One of each family and kind of part; all others are run on demand.
FEW = {
    "axial_vit_tiny",
    "axial_deeplab_xs",
    "pooled_axial_resnet_26_s",
    "sasa_resnet_26_attention_stem",
    "segnext_t",
}


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


def _marked(names):
    return [
        pytest.param(name, marks=[] if name in FEW else pytest.mark.large)
        for name in names
    ]


def test_the_few_exist():
    assert set(list_models()) >= FEW


@pytest.mark.parametrize("name", _marked(list_models()))
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
    images = np.random.default_rng(0).uniform(0, 255, (1, 65, 65, 3))
    images = images.astype(np.float32)
    expected = model(images)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "all.weights.h5")
    config = _config(model)
    del model
    gc.collect()
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    assert _config(loaded) == config
    _assert_equal(loaded(images), expected)
    del loaded
    gc.collect()
    (tmp_path / "model.keras").unlink()
    fresh = _create(name)
    fresh(images)
    fresh.load_weights(tmp_path / "all.weights.h5")
    _assert_equal(fresh(images), expected)
    (tmp_path / "all.weights.h5").unlink()


def _assert_equal(found, expected):
    tf.nest.assert_same_structure(found, expected)
    for one, other in zip(
        tf.nest.flatten(found), tf.nest.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
