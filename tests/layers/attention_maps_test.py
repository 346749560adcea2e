import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.attention_maps import recorded_inputs
from axial_deeplab.layers.attention_options import AttentionOptions
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.mixers import AxialMixer
from tests.layers.layer_case import randomize
from tests.reference import axial_attention as reference

HEADS = 2


def _map(*shape):
    rng = np.random.default_rng(3)
    return tf.constant(rng.normal(size=shape), tf.float32)


def _layer(axis="width", **options):
    layer = AxialAttention(8, 4, axis, heads=HEADS, max_distance=4, **options)
    layer(_map(1, 3, 3, 6))
    randomize(layer)
    return layer


def _weights(layer):
    return {
        w.name.removesuffix(":0").split(f"{layer.name}/")[-1]: w.numpy()
        for w in layer.weights
    }


@pytest.mark.parametrize("span", [None, 1, 5, 99])
@pytest.mark.parametrize("axis", ["height", "width"])
def test_equals_slow_loops(axis, span):
    """Offsets beyond the tables (max_distance 4) included."""
    layer, x = _layer(axis, span=span), _map(2, 7, 7, 6)
    queries = [0, 5, 2, 6, 5]
    lines = x if axis == "width" else tf.transpose(x, [0, 2, 1, 3])
    expected = reference.attention_weights(
        tf.reshape(lines, [14, 7, 6]), _weights(layer), heads=HEADS, span=span
    )
    expected = expected.reshape(2, 7, HEADS, 7, 7)[:, :, :, queries]
    order = [0, 2, 3, 1, 4] if axis == "width" else [0, 2, 3, 4, 1]
    np.testing.assert_allclose(
        layer.attention_weights(x, queries),
        expected.transpose(order),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("used", [(), ("query",), ("key",)])
def test_weights_retrieve_what_the_layer_returns(used):
    """With fewer terms, too; 5 rows of 9."""
    options = AttentionOptions("query" in used, "key" in used, value=False)
    layer, x = _layer(span=7, options=options), _map(2, 5, 9, 6)
    weights = layer.attention_weights(x, range(9))
    factor, offset = layer.qkv_norm.affine()
    value = (x @ (layer.qkv_kernel * factor) + offset)[..., -8:]
    value = tf.reshape(value, [2, 5, 9, HEADS, 4])
    retrieved = tf.einsum("bnqhw,bhwnd->bhqnd", weights, value)
    factor, offset = layer.output_norm.affine()
    expected = tf.reshape(retrieved, [2, 5, 9, 8]) * factor + offset
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_sizes_may_be_unknown():
    layer, x = _layer("height", span=3), _map(2, 5, 4, 6)
    traced = tf.function(
        lambda x: layer.attention_weights(x, [1, 4]),
        input_signature=[tf.TensorSpec([None, None, None, 6])],
    )
    np.testing.assert_allclose(
        traced(x), layer.attention_weights(x, [1, 4]), rtol=1e-6
    )


@pytest.mark.parametrize("query", [-1, 4])
def test_query_outside_the_map_is_refused(query):
    with pytest.raises(tf.errors.InvalidArgumentError, match="the width, 0 to"):
        _layer().attention_weights(_map(1, 5, 4, 6), [query])


def test_inputs_are_recorded_while_asked_for():
    both = AxialMixer(heads=HEADS).build(4, stride=2)
    x = _map(1, 5, 6, 8)
    with recorded_inputs() as record:
        both(x)
    both(x)
    (first, one), (second, other) = record
    assert first is both.height and second is both.width
    np.testing.assert_array_equal(one, x)
    np.testing.assert_array_equal(other, both.height(x)[:, ::2])
