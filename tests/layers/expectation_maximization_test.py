import numpy as np
import tensorflow as tf

from axial_deeplab.layers.expectation_maximization import (
    ExpectationMaximizationContext,
    expectation_maximization,
)
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features

SHAPE = (2, 3, 4, 6)


def _slow(x, bases, rounds):
    """[n, d], [d, k] -> map and bases of one sample."""
    for _ in range(rounds):
        powers = np.exp(x @ bases)
        shares = powers / powers.sum(axis=1, keepdims=True)
        means = [
            sum(shares[n, k] * x[n] for n in range(len(x))) / shares[:, k].sum()
            for k in range(bases.shape[1])
        ]
        bases = np.stack([mean / np.linalg.norm(mean) for mean in means], 1)
    return shares @ bases.T, bases


def test_rounds_equal_slow_loops():
    rng = np.random.default_rng(0)
    x, bases = rng.normal(size=(2, 7, 4)), rng.normal(size=(2, 4, 3))
    bases /= np.linalg.norm(bases, axis=1, keepdims=True)
    actual = expectation_maximization(
        tf.constant(x, tf.float32), tf.constant(bases, tf.float32), 3
    )
    for i in range(2):
        for one, other in zip(actual, _slow(x[i], bases[i], 3), strict=True):
            np.testing.assert_allclose(one[i], other, atol=1e-4)


def _layer():
    layer = ExpectationMaximizationContext(bases=3, rounds=2, groups=2)
    layer(features(*SHAPE))
    randomize(layer)
    return layer


def test_the_layer_is_a_residual_around_the_clusters():
    layer, x = _layer(), features(*SHAPE)
    before = (x.numpy() @ layer.kernel.numpy() + layer.bias.numpy()).reshape(
        2, 12, 6
    )
    start = layer.moving_bases.numpy()
    start = start / np.linalg.norm(start, axis=0)
    made = [_slow(sample, start, 2) for sample in before]
    y = np.maximum(np.reshape([one for one, _ in made], SHAPE), 0)
    expected = tf.nn.relu(x + layer.after(tf.constant(y, tf.float32)))
    moving = layer.moving_bases.numpy()
    np.testing.assert_allclose(layer(x), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(layer.moving_bases, moving)
    layer(x, training=True)
    mean = np.mean([bases for _, bases in made], axis=0)
    mean /= np.linalg.norm(mean, axis=0)
    np.testing.assert_allclose(
        layer.moving_bases, 0.9 * moving + 0.1 * mean, atol=1e-4
    )


def test_no_gradient_goes_through_the_clusters():
    layer, x = _layer(), features(*SHAPE)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    gradient = tape.gradient(y, x)
    np.testing.assert_array_equal(gradient, np.float32(y > 0))
    assert len(layer.trainable_weights) == 3  # the convolution behind, a norm
