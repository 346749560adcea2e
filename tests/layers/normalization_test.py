import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.layers.normalization import (
    BatchNorm,
    MomentNorm,
    Moments,
    NormOptions,
)
from tests.layers.layer_case import randomize
from tests.reference import convolution as reference


def _inputs(*shape, seed=3):
    rng = np.random.default_rng(seed)
    return tf.constant(2.0 + 3.0 * rng.normal(size=shape), tf.float32)


def _norm(x, **options):
    layer = BatchNorm(**options)
    layer(x)
    randomize(layer)
    return layer


def _moments(x):
    axes = list(range(x.shape.rank - 1))
    count = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
    return Moments(
        tf.reduce_sum(x, axes), tf.reduce_sum(tf.square(x), axes), count
    )


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_equals_loops(training):
    x = _inputs(2, 3, 5, 4)
    layer = _norm(x, options=NormOptions(epsilon=0.1))
    expected = reference.batch_norm(x, layer.get_weights(), training, 0.1)
    actual = layer(x, training=training)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 1, 1, 4), (1, 1, 1, 4)])
def test_moving_statistics_take_the_biased_variance(shape):
    x = _inputs(*shape)
    layer = _norm(x, options=NormOptions(momentum=0.75))
    old_mean, old_variance = layer.get_weights()[2:]
    layer(x, training=True)
    mean, variance = layer.get_weights()[2:]
    values = np.asarray(x, np.float64).reshape(-1, 4)
    np.testing.assert_allclose(
        mean, 0.75 * old_mean + 0.25 * values.mean(0), rtol=1e-6
    )
    np.testing.assert_allclose(
        variance, 0.75 * old_variance + 0.25 * values.var(0), rtol=1e-6
    )


def test_batch_norm_gradients_equal_those_of_the_formula():
    x = _inputs(2, 3, 5, 4)
    probe = _inputs(2, 3, 5, 4, seed=4)
    layer = _norm(x)

    def plain(x):
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        scale = layer.gamma / tf.sqrt(variance + layer.options.epsilon)
        return (x - mean) * scale + layer.beta

    gradients = []
    for function in (lambda x: layer(x, training=True), plain):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(function(x) * probe)
        gradients.append(tape.gradient(loss, [x, layer.gamma, layer.beta]))
    for actual, expected in zip(*gradients, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_weights_may_have_another_shape_than_the_channels():
    x = _inputs(2, 3, 5, 6)
    layer = _norm(x, shape=(2, 3))
    assert {weight.shape for weight in layer.weights} == {(2, 3)}
    flat = [weight.reshape(-1) for weight in layer.get_weights()]
    for training in (False, True):
        np.testing.assert_allclose(
            layer(x, training=training),
            reference.batch_norm(x, flat, training),
            rtol=1e-5,
            atol=1e-5,
        )


@pytest.mark.parametrize("training", [False, True])
def test_moment_norm_is_batch_norm_of_the_values_it_never_sees(training):
    x = _inputs(2, 3, 5, 4)
    values, moments = _norm(x), MomentNorm((4,))
    moments.build(None)
    moments.set_weights(values.get_weights())
    factor, offset = moments(_moments(x), training=training)
    np.testing.assert_allclose(
        factor * x + offset,
        values(x, training=training),
        rtol=1e-5,
        atol=1e-5,
    )
    for one, other in zip(moments.weights, values.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [BatchNorm(), MomentNorm((4,))])
def test_frozen_norms_keep_and_use_their_statistics(layer):
    x = _inputs(2, 3, 5, 4)
    argument = x if isinstance(layer, BatchNorm) else _moments(x)
    layer.build(x.shape)
    layer.trainable = False
    before = layer.get_weights()
    trained, inferred = layer(argument, training=True), layer(argument)
    tf.nest.map_structure(np.testing.assert_array_equal, trained, inferred)
    tf.nest.map_structure(
        np.testing.assert_array_equal, layer.get_weights(), before
    )


def test_statistics_are_no_trainable_weights_and_stay_float32():
    x = _inputs(2, 3, 5, 4)
    layer = BatchNorm(dtype="mixed_bfloat16")
    assert layer(x).dtype == tf.bfloat16
    trainable = [w.name.split("/")[-1] for w in layer.trainable_weights]
    assert trainable == ["gamma:0", "beta:0"]
    assert all(weight.dtype == tf.float32 for weight in layer.weights)


def test_gamma_initializer_and_options_come_back_from_the_config():
    layer = BatchNorm(NormOptions(0.5, 0.25), "zeros", name="last")
    rebuilt = BatchNorm.from_config(layer.get_config())
    assert rebuilt.options == NormOptions(momentum=0.5, epsilon=0.25)
    np.testing.assert_array_equal(rebuilt(_inputs(1, 2, 2, 3)), 0.0)


def test_no_variance_is_below_zero():
    """E[x^2] - E[x]^2 of a constant rounds to either side of zero."""
    x = tf.fill([1, 50, 50, 1], 1234.567)
    layer = MomentNorm((1,))
    factor, _ = layer(_moments(x), training=True)
    limit = layer.options.epsilon**-0.5
    assert 0.0 < float(factor[0]) <= limit * (1 + 1e-6)


def test_registered_under_the_package():
    names = {
        tf_keras.saving.get_registered_name(kind)
        for kind in (BatchNorm, MomentNorm, NormOptions)
    }
    assert names == {
        "axial_deeplab>BatchNorm",
        "axial_deeplab>MomentNorm",
        "axial_deeplab>NormOptions",
    }
