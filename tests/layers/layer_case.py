"""The checks every public layer and model passes."""

import os
import tempfile
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

# A tensor, or a dictionary of tensors.
Tensors = Any


def randomize(layer: tf_keras.layers.Layer, seed: int = 0) -> None:
    """Gives every weight a value that a mistake cannot hide behind."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        value = rng.normal(size=weight.shape) * 0.3
        if weight.name.endswith(("gamma:0", "moving_variance:0")):
            value = 1.0 + np.abs(value)
        if weight.name.endswith("bases:0"):  # of a non-negative product
            value = np.abs(value)
        weight.assign(value)


def check_layer(
    layer: tf_keras.layers.Layer,
    inputs: Tensors,
    half_dtype: tf.DType = tf.bfloat16,
) -> None:
    """Config, saving, gradients, dynamic sizes and mixed precision.

    Args:
      layer: not yet built.
      inputs: tensors [B, H, W, C], H and W at least 3.
      half_dtype: type of the output under the policy "mixed_bfloat16".
    """
    layer(inputs)
    randomize(layer)
    check_config(layer)
    check_saving(layer, inputs)
    check_gradients(layer, inputs)
    check_dynamic_size(layer, inputs)
    check_mixed_precision(layer, inputs, half_dtype)


def check_config(layer: tf_keras.layers.Layer) -> None:
    """A layer rebuilt from its config has the same config."""
    config = layer.get_config()
    rebuilt = type(layer).from_config(config)
    assert _without(rebuilt.get_config(), "build_config") == _without(
        config, "build_config"
    )


def check_saving(layer: tf_keras.layers.Layer, inputs: Tensors) -> None:
    """It (or a model around it) gives the same values after a round trip."""
    model = layer
    if not isinstance(layer, tf_keras.Model):
        symbolic = tf.nest.map_structure(
            lambda x: tf_keras.Input(x.shape[1:], dtype=x.dtype), inputs
        )
        model = tf_keras.Model(symbolic, layer(symbolic))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "layer.keras")
        model.save(path)
        loaded = tf_keras.models.load_model(path)
    tf.nest.map_structure(
        np.testing.assert_array_equal, model(inputs), loaded(inputs)
    )


def check_gradients(layer: tf_keras.layers.Layer, inputs: Tensors) -> None:
    """Each trainable weight gets a finite gradient in training.

    It may be zero only for the offsets of the logit norm, which a softmax
    over the keys ignores, and for what an unlucky ReLU hides entirely.
    """
    rng = np.random.default_rng(1)
    with tf.GradientTape() as tape:
        loss = 0.0
        for output in tf.nest.flatten(layer(inputs, training=True)):
            probe = tf.cast(rng.normal(size=output.shape), output.dtype)
            loss += tf.reduce_sum(output * probe)
    gradients = tape.gradient(loss, layer.trainable_weights)
    for weight, gradient in zip(
        layer.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, weight.name
        assert np.all(np.isfinite(gradient)), weight.name
        if "similarity_norm/beta" not in weight.name:
            assert np.any(gradient != 0), weight.name


def check_dynamic_size(layer: tf_keras.layers.Layer, inputs: Tensors) -> None:
    """Unknown batch, height and width in a graph equal the eager values."""
    dynamic = tf.nest.map_structure(
        lambda x: tf.TensorSpec([None, None, None, x.shape[-1]], x.dtype),
        inputs,
    )
    traced = tf.function(
        lambda x: layer(x, training=False), input_signature=[dynamic]
    )
    for cut in (
        lambda x: x,
        lambda x: x[:1, 1:],
        lambda x: x[:, :, :-2],
    ):
        part = tf.nest.map_structure(cut, inputs)
        tf.nest.map_structure(_assert_near, traced(part), layer(part))


def _assert_near(actual: tf.Tensor, expected: tf.Tensor) -> None:
    largest = max(np.max(np.abs(expected)), 1.0)
    np.testing.assert_allclose(actual, expected, atol=1e-5 * largest)


def check_mixed_precision(
    layer: tf_keras.layers.Layer, inputs: Tensors, half_dtype: tf.DType
) -> None:
    """In bfloat16 (all parts of it) it stays near its float32 values."""
    expected = layer(inputs)
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        config = layer.get_config()
        half = type(layer).from_config(_without(config, "dtype"))
        half(inputs)
        half.set_weights(layer.get_weights())
        actual = half(inputs, training=False)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert all(weight.dtype == tf.float32 for weight in half.weights)
    for one, other in zip(
        tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True
    ):
        assert one.dtype == half_dtype
        error = np.abs(np.asarray(one, np.float32) - other).mean()
        assert error < 0.05 * np.abs(other).mean(), error


def _without(config, dropped):
    """The config, nested parts included, without one key."""
    if isinstance(config, list):
        return [_without(item, dropped) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: _without(value, dropped)
        for key, value in config.items()
        if key != dropped
    }
