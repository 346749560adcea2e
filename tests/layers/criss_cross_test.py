import numpy as np
import tensorflow as tf

from axial_deeplab.layers.criss_cross import (
    CrissCrossAttention,
    CrissCrossContext,
    criss_cross,
)
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features

SHAPE = (2, 3, 4, 6)


def _slow(query, key, value):
    out = np.zeros_like(value)
    height, width = query.shape[1:3]
    for b, y, x in np.ndindex(query.shape[:3]):
        cross = [(y, j) for j in range(width)]
        cross += [(i, x) for i in range(height) if i != y]
        logits = [key[b, i, j] @ query[b, y, x] for i, j in cross]
        weights = np.exp(logits) / np.sum(np.exp(logits))
        for weight, (i, j) in zip(weights, cross, strict=True):
            out[b, y, x] += weight * value[b, i, j]
    return out


def test_values_equal_slow_loops():
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 3, 4, depth)) for depth in (2, 2, 5))
    actual = criss_cross(*(tf.constant(x, tf.float32) for x in (q, k, v)))
    np.testing.assert_allclose(actual, _slow(q, k, v), atol=1e-5)


def test_the_layer_is_a_residual_with_a_gain_of_zero():
    layer, x = CrissCrossAttention(2), features(*SHAPE)
    np.testing.assert_array_equal(layer(x), x)
    randomize(layer)
    parts = (part(x).numpy() for part in (layer.query, layer.key, layer.value))
    expected = x + float(layer.gain) * _slow(*parts)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_two_passes_see_the_whole_map():
    """One sees a cross: five of the twelve pixels here are not in it."""
    for passes, seen in ((1, 3 + 4 - 1), (2, 3 * 4)):
        layer, x = CrissCrossContext(passes, 2), features(1, *SHAPE[1:])
        layer(x)
        randomize(layer)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(layer(x)[0, 1, 1])
        gradient = tape.gradient(y, x).numpy()[0]
        assert np.sum(np.any(gradient != 0, axis=-1)) == seen
