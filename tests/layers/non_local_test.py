import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.non_local import NonLocalBlock
from tests.layers import graph_case
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features
from tests.reference import convolution, non_local

CHANNELS, FLOAT_BYTES = 6, 4


def _block(**options):
    block = NonLocalBlock(**options)
    block(tf.zeros([1, 1, 1, CHANNELS]))
    randomize(block)
    return block


def _results(block, x, call=None):
    """Output in training, then gradients of the input and of the weights."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = (call or block)(x, training=True)
        loss = tf.reduce_sum(y * tf.sin(tf.range(y.shape[3], dtype=y.dtype)))
    return [y, *tape.gradient(loss, [x, *block.trainable_weights])]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("filters", [None, 5])
def test_block_equals_loops(filters, training):
    x = features(2, 4, 5, CHANNELS)
    block = _block(filters=filters)
    depth = filters or CHANNELS // 2
    assert block.qkv_kernel.shape == (CHANNELS, 3 * depth)
    attended = non_local.attend(x, block.qkv_kernel)
    expected = x + convolution.conv_norm_act(block.expand, attended, training)
    np.testing.assert_allclose(
        block(x, training=training), expected, rtol=1e-4, atol=1e-4
    )


def test_one_pixel_retrieves_its_own_value():
    block, x = _block(), features(2, 1, 1, CHANNELS)
    value = tf.einsum("bhwc,cd->bhwd", x, block.qkv_kernel)[..., -3:]
    np.testing.assert_allclose(block(x), x + block.expand(value), rtol=1e-5)


def test_a_new_block_changes_nothing():
    x = features(2, 4, 5, CHANNELS)
    for training in (False, True):
        np.testing.assert_array_equal(NonLocalBlock()(x, training=training), x)


def test_gradients_do_not_depend_on_the_chunks():
    """The budget of one byte works on one query at a time."""
    x = features(2, 5, 6, CHANNELS)
    whole, parts = (
        _results(_block(logits_bytes=budget), x) for budget in (10**7, 1)
    )
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_gradients_are_those_of_the_plain_form():
    x = features(2, 4, 5, CHANNELS)
    block = _block()

    def plain(x, training):
        query, key, value = tf.split(x @ block.qkv_kernel, 3, axis=-1)
        logits = tf.einsum("bijd,bkld->bijkl", query, key)
        weights = tf.reshape(
            tf.nn.softmax(tf.reshape(logits, [2, 4, 5, 20])), logits.shape
        )
        attended = tf.einsum("bijkl,bkld->bijd", weights, value)
        return x + block.expand(attended, training=training)

    actual, expected = _results(block, x), _results(block, x, plain)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_no_tensor_is_larger_than_the_budget(training):
    budget, side = 200_000, 24
    block = _block(logits_bytes=budget)

    def step(x):
        return _results(block, x) if training else block(x)

    spec = tf.TensorSpec([1, side, side, CHANNELS])
    largest, what = graph_case.largest(graph_case.nodes(step, spec))
    assert side**4 > 4 * budget / FLOAT_BYTES  # would be seen
    assert largest <= budget / FLOAT_BYTES, what
