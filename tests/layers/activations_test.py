import numpy as np
import tensorflow as tf

from axial_deeplab.layers.activations import gelu


def test_gelu_is_exact():
    """Where it is small, to what float32 leaves of 1 + erf."""
    x = tf.constant(np.linspace(-9.0, 9.0, 3001, dtype=np.float32))
    expected = tf.nn.gelu(tf.cast(x, tf.float64))
    np.testing.assert_allclose(gelu(x), expected, rtol=1e-6, atol=1e-6)


def test_its_gradient_is_exact():
    x = tf.constant(np.linspace(-6.0, 6.0, 1001, dtype=np.float32))
    gradients = []
    for function, dtype in ((gelu, tf.float32), (tf.nn.gelu, tf.float64)):
        values = tf.cast(x, dtype)
        with tf.GradientTape() as tape:
            tape.watch(values)
            y = function(values)
        gradients.append(tape.gradient(y, values))
    np.testing.assert_allclose(*gradients, rtol=1e-6, atol=1e-6)
