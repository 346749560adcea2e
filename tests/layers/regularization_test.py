import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.regularization import DropPath


def test_inference_and_rate_zero_change_nothing():
    x = tf.random.normal([3, 2, 2, 4])
    np.testing.assert_array_equal(DropPath(0.5)(x), x)
    np.testing.assert_array_equal(DropPath(0.0)(x, training=True), x)


def test_each_sample_is_dropped_whole_or_scaled():
    tf.random.set_seed(5)
    x = tf.random.uniform([2000, 2, 1, 3], 1.0, 2.0)
    ratio = (DropPath(0.25)(x, training=True) / x).numpy().reshape(2000, -1)
    kept = ratio[:, 0] > 0
    np.testing.assert_allclose(ratio[kept], 1 / 0.75, rtol=1e-6)
    np.testing.assert_array_equal(ratio[~kept], 0.0)
    # Four standard deviations of a binomial share.
    assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 2000)


def test_dropped_samples_get_no_gradient_not_even_from_nan():
    tf.random.set_seed(5)
    x = tf.ones([50, 1, 1, 1])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = DropPath(0.5)(x, training=True)
    np.testing.assert_allclose(tape.gradient(y, x), y)
    y = DropPath(0.5)(x * np.inf, training=True).numpy()
    assert set(y.ravel()) == {0.0, np.inf}


def test_two_calls_draw_anew_in_a_graph():
    tf.random.set_seed(5)
    layer = DropPath(0.5)
    traced = tf.function(lambda x: layer(x, training=True))
    x = tf.ones([64, 1, 1, 1])
    assert np.any(traced(x) != traced(x))


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_rates_outside_the_range_are_named(rate):
    with pytest.raises(ValueError, match=rf"\[0, 1\).*{rate}"):
        DropPath(rate)
