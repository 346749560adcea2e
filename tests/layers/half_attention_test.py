"""Attention in half precision: only the projection is, all else float32."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.folded_weights import fold_model, folded_weights
from tests.layers.plain_case import CHANNELS, build_ours

POLICIES = [
    ("mixed_bfloat16", tf.bfloat16, 2.0**-8),
    ("mixed_float16", tf.float16, 2.0**-11),
]
policies = pytest.mark.parametrize(("policy", "dtype", "rounding"), POLICIES)
spans = pytest.mark.parametrize("span", [None, 5])


def _exact_inputs():
    """Small whole numbers: their products with the kernel are exact."""
    rng = np.random.default_rng(3)
    return tf.constant(rng.integers(-2, 3, (1, 3, 26, CHANNELS)), tf.float32)


def _build(policy, span):
    """A layer whose projection is exact and whose logits are large."""
    layer = build_ours(30_000, span=span, dtype=policy)
    kernel = tf.round(4.0 * layer.qkv_kernel) / 4.0
    layer.qkv_kernel.assign(kernel)
    # In inference, what is folded into the kernel is 1.
    for norm in (layer.qkv_norm, layer.similarity_norm, layer.output_norm):
        variance = tf.fill(norm.gamma.shape, 1.0 - norm.options.epsilon)
        norm.gamma.assign(tf.ones_like(norm.gamma))
        norm.moving_variance.assign(variance)
    for weight in (layer.qkv_norm.beta, layer.qkv_norm.moving_mean):
        weight.assign(tf.zeros_like(weight))
    gamma = layer.similarity_norm.gamma
    gamma.assign(32.0 * gamma)
    return layer


@policies
@spans
@pytest.mark.parametrize("training", [False, True])
def test_only_the_output_is_rounded(policy, dtype, rounding, span, training):
    """Logits in half precision would be wrong by far more."""
    x = _exact_inputs()
    expected = _build("float32", span)(x, training=training)
    actual = _build(policy, span)(x, training=training)
    assert actual.dtype == dtype
    np.testing.assert_allclose(
        tf.cast(actual, tf.float32), expected, rtol=rounding, atol=2e-5
    )


@policies
@pytest.mark.parametrize("content", [0.0, 2.0**-20])
@pytest.mark.parametrize("stored", ["float32", "half"])
def test_a_term_may_be_switched_off(policy, dtype, rounding, content, stored):
    """Its factor must not reach what else its queries take part in."""
    x, outputs = _exact_inputs(), []
    for name in ("float32", policy):
        layer = _build(name, span=None)
        gamma = layer.similarity_norm.gamma
        gamma[0].assign(content * gamma[0])
        with folded_weights(_stored_as(stored, dtype, fold_model(layer))):
            outputs.append(tf.cast(layer(x), tf.float32))
    expected, actual = outputs
    np.testing.assert_allclose(actual, expected, rtol=rounding, atol=2e-5)


def _stored_as(what, dtype, folded):
    """Folded weights as an export has them: no larger than their type."""
    if what == "float32":
        return folded
    return tf.nest.map_structure(
        lambda x: tf.cast(tf.cast(x, dtype), tf.float32), folded
    )


@policies
@spans
def test_gradients_equal_those_of_float32(policy, dtype, rounding, span):
    x = _exact_inputs()
    rng = np.random.default_rng(4)
    probe = tf.constant(rng.choice([-1.0, 1.0], (1, 3, 26, 8)), tf.float32)
    gradients = []
    for name in ("float32", policy):
        layer = _build(name, span)
        with tf.GradientTape() as tape:
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * tf.cast(probe, y.dtype))
        gradients.append(tape.gradient(loss, layer.trainable_weights))
    for weight, expected, actual in zip(
        layer.trainable_weights, *gradients, strict=True
    ):
        if "similarity_norm/beta" in weight.name:
            continue  # zero but for rounding
        assert actual.dtype == tf.float32
        # The products with the kernel are those of half precision.
        limit = 4 * rounding if "kernel" in weight.name else 1e-4
        largest = np.max(np.abs(expected))
        error = np.max(np.abs(actual - expected))
        assert error <= limit * largest, (weight.name, error / largest)


@policies
@spans
def test_statistics_equal_those_of_float32(policy, dtype, rounding, span):
    x = _exact_inputs()
    layers = [_build(name, span) for name in ("float32", policy)]
    for layer in layers:
        layer(x, training=True)
    for one, other in zip(
        *(layer.non_trainable_weights for layer in layers), strict=True
    ):
        assert other.dtype == tf.float32
        largest = np.max(np.abs(one))
        np.testing.assert_allclose(other, one, atol=1e-5 * largest)
