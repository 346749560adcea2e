import itertools

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.convolution import (
    ConvNormAct,
    SeparableConvNormAct,
    pad_symmetric,
    resize_to,
)
from axial_deeplab.layers.normalization import NormOptions
from tests.layers.layer_case import randomize
from tests.reference import convolution as reference


def _inputs(*shape, seed=3):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.normal(size=shape), tf.float32)


def _built(layer, x):
    layer(x)
    randomize(layer)
    return layer


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(6, 7), (5, 4), (1, 1)])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": 3},
        {"kernel_size": 3, "dilation": 2},
        {"kernel_size": 1, "stride": 2},
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 7, "stride": 2},
    ],
)
def test_convolution_equals_loops(options, size, training):
    x = _inputs(2, *size, 3)
    layer = _built(ConvNormAct(4, **options, norm=NormOptions(epsilon=0.1)), x)
    assert layer.conv.kernel.shape[:2] == [options["kernel_size"]] * 2
    np.testing.assert_allclose(
        layer(x, training=training),
        reference.conv_norm_act(layer, x, training),
        rtol=1e-4,
        atol=1e-5,
    )


def test_activation_is_optional():
    x = _inputs(1, 4, 4, 3)
    plain = _built(ConvNormAct(4, activation=False), x)
    active = _built(ConvNormAct(4), x)
    assert np.any(plain(x) < 0)
    np.testing.assert_allclose(active(x), tf.nn.relu(plain(x)))


def test_strided_features_stay_centred_for_even_and_odd_sizes():
    """Output (i, j) looks at pixels around (2 i, 2 j), whatever the size."""
    layer = _built(
        ConvNormAct(4, 3, stride=2, activation=False), _inputs(1, 9, 9, 3)
    )
    x = _inputs(1, 9, 9, 3)
    whole = layer(x)
    for height, width in itertools.product((7, 8, 9), repeat=2):
        # The last rows see what was cut off, the others do not.
        part = layer(x[:, :height, :width])
        np.testing.assert_allclose(
            part[:, :3, :3], whole[:, :3, :3], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(6, 7), (1, 1)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kernel_size": 3},
        {"kernel_size": 3, "dilation": 3},
        {"kernel_size": 3, "stride": 2},
        {"activation": False},
    ],
)
def test_separable_convolution_equals_loops(options, size, training):
    x = _inputs(2, *size, 3)
    layer = _built(SeparableConvNormAct(4, **options), x)
    kernel_size = options.get("kernel_size", 5)
    assert layer.depthwise.depthwise_kernel.shape[0] == kernel_size
    np.testing.assert_allclose(
        layer(x, training=training),
        reference.separable_conv_norm_act(layer, x, training),
        rtol=1e-4,
        atol=1e-4,
    )


def test_padding_is_the_same_on_all_sides():
    x = tf.ones([1, 1, 2, 1])
    expected = [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0]]
    expected += expected[1::-1]
    np.testing.assert_array_equal(pad_symmetric(x, 5)[0, ..., 0], expected)
    np.testing.assert_array_equal(pad_symmetric(x, 1), x)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((3, 4), (5, 7)),
        ((5, 7), (3, 4)),
        ((3, 4), (3, 4)),
        ((1, 1), (3, 2)),
        ((4, 1), (6, 3)),
        ((3, 4), (1, 1)),
    ],
)
def test_resize_equals_loops(source, target):
    x = _inputs(2, *source, 3)
    np.testing.assert_allclose(
        resize_to(x, tf.constant(target)),
        reference.resize(x, target),
        rtol=1e-5,
        atol=1e-6,
    )


def test_resize_keeps_corners_ramps_and_types():
    ramp = tf.range(5, dtype=tf.float32)[tf.newaxis, :, tf.newaxis, tf.newaxis]
    resized = resize_to(ramp, [9, 1])
    np.testing.assert_allclose(resized[0, :, 0, 0], np.arange(9) / 2)
    x = tf.cast(_inputs(1, 3, 3, 2), tf.bfloat16)
    resized = resize_to(x, [7, 7])
    assert resized.dtype == tf.bfloat16
    for corner in itertools.product((0, -1), repeat=2):
        np.testing.assert_array_equal(resized[0][corner], x[0][corner])
