import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.experiments.float16_arithmetic import use_accelerator_products
from tests.experiments.mixed_precision_case import operations

# Name: product of two tensors, and their shapes.
PRODUCTS = {
    "convolution": (
        lambda x, w: tf.nn.convolution(x, w, 2, "SAME"),
        ([2, 9, 9, 8], [3, 3, 8, 4]),
    ),
    "depthwise": (
        lambda x, w: tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME"),
        ([2, 9, 9, 4], [5, 5, 4, 1]),
    ),
    "matrices": (tf.matmul, ([6, 80], [80, 5])),
    "turned": (
        lambda x, w: tf.matmul(x, w, transpose_b=True),
        ([3, 6, 80], [3, 5, 80]),
    ),
    "einsum": (
        lambda x, w: tf.einsum("bhwd,bgwd->bhwg", x, w),
        ([2, 4, 3, 80], [2, 5, 3, 80]),
    ),
}


def integers(shape, seed):
    """Small ones: every product of theirs is exact in float32."""
    values = np.random.default_rng(seed).integers(-32, 33, shape)
    return tf.constant(values, tf.float32)


def with_gradients(product, operands, dtype):
    """A product and its gradients, computed as training does: in a graph."""

    @tf.function
    def compute(x, w):
        x, w = tf.cast(x, dtype), tf.cast(w, dtype)
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = product(x, w)
        of_y = tf.cast(integers(y.shape, 3), dtype)
        return y, *tape.gradient(y, [x, w], of_y)

    return [one.numpy() for one in compute(*operands)]


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_exact_sums_rounded_once(name, monkeypatch):
    product, shapes = PRODUCTS[name]
    operands = [integers(shape, seed) for seed, shape in enumerate(shapes)]
    exact = with_gradients(product, operands, tf.float32)
    native = with_gradients(product, operands, tf.float16)
    use_accelerator_products(monkeypatch)
    ours = with_gradients(product, operands, tf.float16)
    rounded = [one.astype(np.float16) for one in exact]
    assert np.any(rounded[0] != exact[0])  # there is something to round
    for one, other, theirs in zip(ours, rounded, native, strict=True):
        assert one.dtype == theirs.dtype == np.float16
        np.testing.assert_array_equal(one, other)
        # The native kernels may round their sums more often.
        scale = np.abs(other.astype(np.float32)).max()
        np.testing.assert_allclose(theirs, other, atol=2**-7 * scale)


def test_what_is_between_two_products_is_rounded(monkeypatch):
    x, w, v = (integers(shape, 5) for shape in ([6, 80], [80, 7], [7, 3]))
    v = v / 1024  # to stay in the range of float16
    use_accelerator_products(monkeypatch)

    @tf.function
    def twice(*operands):
        x, w, v = (tf.cast(one, tf.float16) for one in operands)
        return tf.matmul(tf.matmul(x, w), v)

    between = (x.numpy() @ w.numpy()).astype(np.float16)
    expected = (between.astype(np.float32) @ v.numpy()).astype(np.float16)
    without = (x.numpy() @ w.numpy() @ v.numpy()).astype(np.float16)
    assert np.any(expected != without)
    np.testing.assert_array_equal(twice(x, w, v), expected)


def test_layers_and_their_gradients_multiply_so(monkeypatch):
    use_accelerator_products(monkeypatch)
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [
            layers.Conv2D(4, 3),
            layers.SeparableConv2D(4, 3),
            layers.DepthwiseConv2D(3),
            layers.Conv2DTranspose(4, 2),
            layers.Dense(4),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    for layer in model.layers:
        layer._set_dtype_policy("mixed_float16")
    model.build((None, 12, 12, 3))

    @tf.function
    def gradients(images):
        with tf.GradientTape() as tape:
            outputs = model(images)
        return tape.gradient(outputs, model.trainable_weights)

    spec = tf.TensorSpec([2, 12, 12, 3], tf.float32)
    found = operations(gradients.get_concrete_function(spec).graph)
    half = {op for op, kind in found if kind == tf.float16.as_datatype_enum}
    full = {op for op, kind in found if kind == tf.float32.as_datatype_enum}
    slow = {"Conv2D", "DepthwiseConv2dNative", "MatMul", "Conv2DBackpropInput"}
    assert "BiasAdd" in half and slow <= full
    assert not [op for op in half if "Conv" in op or "MatMul" in op]
