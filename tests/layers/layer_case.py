"""The checks every public layer passes."""

import os
import tempfile

import numpy as np
import tensorflow as tf
import tf_keras


def randomize(layer: tf_keras.layers.Layer, seed: int = 0) -> None:
    """Gives every weight a value that a mistake cannot hide behind."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        value = rng.normal(size=weight.shape) * 0.3
        if weight.name.endswith(("gamma:0", "moving_variance:0")):
            value = 1.0 + np.abs(value)
        weight.assign(value)


def check_layer(layer: tf_keras.layers.Layer, inputs: tf.Tensor) -> None:
    """Config, saving, gradients, dynamic sizes and mixed precision."""
    layer(inputs)
    randomize(layer)
    check_config(layer)
    check_saving(layer, inputs)
    check_gradients(layer, inputs)
    check_dynamic_size(layer, inputs)
    check_mixed_precision(layer, inputs)


def check_config(layer: tf_keras.layers.Layer) -> None:
    """A layer rebuilt from its config has the same config."""
    config = layer.get_config()
    rebuilt = type(layer).from_config(config)
    assert _without(rebuilt.get_config(), "build_config") == _without(
        config, "build_config"
    )


def check_saving(layer: tf_keras.layers.Layer, inputs: tf.Tensor) -> None:
    """A model around the layer gives the same values after a round trip."""
    symbolic = tf_keras.Input(inputs.shape[1:])
    model = tf_keras.Model(symbolic, layer(symbolic))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "layer.keras")
        model.save(path)
        loaded = tf_keras.models.load_model(path)
    np.testing.assert_array_equal(model(inputs), loaded(inputs))


def check_gradients(layer: tf_keras.layers.Layer, inputs: tf.Tensor) -> None:
    """Each trainable weight gets a finite gradient in training.

    It may be zero only for the offsets of the logit norm, which a softmax
    over the keys ignores, and for what an unlucky ReLU hides entirely.
    """
    with tf.GradientTape() as tape:
        output = layer(inputs, training=True)
        probe = np.random.default_rng(1).normal(size=output.shape)
        loss = tf.reduce_sum(output * tf.cast(probe, output.dtype))
    gradients = tape.gradient(loss, layer.trainable_weights)
    for weight, gradient in zip(
        layer.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, weight.name
        assert np.all(np.isfinite(gradient)), weight.name
        if "similarity_norm/beta" not in weight.name:
            assert np.any(gradient != 0), weight.name


def check_dynamic_size(layer: tf_keras.layers.Layer, inputs: tf.Tensor) -> None:
    """Unknown batch, height and width in a graph equal the eager values."""
    dynamic = tf.TensorSpec([None, None, None, inputs.shape[-1]], inputs.dtype)
    traced = tf.function(
        lambda x: layer(x, training=False), input_signature=[dynamic]
    )
    for part in (inputs, inputs[:1, 1:], inputs[:, :, :-2]):
        np.testing.assert_allclose(
            traced(part), layer(part), rtol=1e-5, atol=1e-5
        )


def check_mixed_precision(
    layer: tf_keras.layers.Layer, inputs: tf.Tensor
) -> None:
    """In bfloat16 (all parts of it) it stays near its float32 values."""
    expected = layer(inputs).numpy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        config = layer.get_config()
        half = type(layer).from_config(_without(config, "dtype"))
        half(inputs)
        half.set_weights(layer.get_weights())
        actual = half(inputs, training=False)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert actual.dtype == tf.bfloat16
    assert all(weight.dtype == tf.float32 for weight in half.weights)
    error = np.abs(np.asarray(actual, np.float32) - expected).mean()
    assert error < 0.05 * np.abs(expected).mean(), error


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
