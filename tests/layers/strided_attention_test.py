"""Outputs at every other place are those of all places, without the rest."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.axial_attention import AxialAttention2D
from tests.layers.plain_case import CHANNELS, build_ours, inputs

SMALL = 20_000  # bytes: several chunks, and blocks of queries


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("span", [None, 1, 5, 41])
@pytest.mark.parametrize("length", [1, 2, 13, 60, 97])
def test_inference_keeps_what_slicing_keeps(length, span, stride):
    layer = build_ours(SMALL, span=span, max_distance=20)
    x = inputs(2, 3, length)
    expected = layer(x)[:, :, ::stride]
    np.testing.assert_allclose(layer(x, stride=stride), expected, atol=1e-5)


@pytest.mark.parametrize("span", [None, 9])
@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_those_of_slicing(span, training):
    layer = build_ours(SMALL, span=span, axis="height", max_distance=9)
    x = inputs(2, 50, 3)

    def gradients(call):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call()
            loss = tf.reduce_sum(y * tf.cos(y))
        weights = layer.trainable_weights
        return y, tape.gradient(
            loss, [x, *weights], unconnected_gradients="zero"
        )

    y, found = gradients(lambda: layer(x, training=training, stride=2))
    z, expected = gradients(lambda: layer(x, training=training)[:, ::2])
    np.testing.assert_allclose(y, z, atol=1e-5)
    for one, other in zip(found, expected, strict=True):
        one, other = tf.convert_to_tensor(one), tf.convert_to_tensor(other)
        scale = max(1e-3, float(tf.reduce_max(tf.abs(other))))
        np.testing.assert_allclose(one, other, atol=1e-4 * scale)


@pytest.mark.parametrize("span", [None, 7])
def test_sizes_may_be_unknown(span):
    layer = build_ours(SMALL, span=span, max_distance=9)
    strided = tf.function(
        lambda x: layer(x, stride=2),
        input_signature=[tf.TensorSpec([None, None, None, CHANNELS])],
    )
    for length in (1, 8, 45):
        x = inputs(1, 2, length)
        expected = layer(x)[:, :, ::2]
        np.testing.assert_allclose(strided(x), expected, atol=1e-5)


def test_what_is_dropped_is_not_computed():
    """Half the logits: of whole rows, the maps of one chunk."""
    layer = build_ours(2**26, max_distance=9)

    def logits(stride):
        graph = tf.function(lambda x: layer(x, stride=stride))
        graph = graph.get_concrete_function(tf.TensorSpec([1, 2, 64, CHANNELS]))
        return sum(
            operation.outputs[0].shape.num_elements()
            for operation in graph.graph.get_operations()
            if operation.type == "Softmax"
        )

    assert logits(2) == logits(1) / 2 > 0


def test_both_axes_stride():
    options = {"span": 5, "max_distance": 9, "filters": CHANNELS}
    height, width = (
        build_ours(SMALL, axis=axis, **options) for axis in ("height", "width")
    )
    pair = AxialAttention2D(height, width, stride=2)
    x = inputs(2, 21, 30)
    expected = width(height(x)[:, ::2])[:, :, ::2]
    np.testing.assert_allclose(pair(x), expected, atol=1e-5)


def test_strides_below_one_are_named():
    layer = build_ours(SMALL)
    with pytest.raises(ValueError, match="`stride` must be 1 or more; got 0"):
        layer(inputs(1, 2, 3), stride=0)
    with pytest.raises(ValueError, match="`stride` must be 1 or more; got -1"):
        AxialAttention2D(layer, layer, stride=-1)
