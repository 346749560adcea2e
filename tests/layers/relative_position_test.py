import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.relative_position import (
    band,
    keys_to_offsets,
    offset_window,
    offsets_to_keys,
    pairs_inside,
    reverse_offsets,
)

LENGTHS = [1, 2, 3, 7]


def _random(*shape, seed=3):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.normal(size=shape), tf.float32)


def _static(function, x, length):
    return function(x, length)


def _dynamic(function, x, length):
    """The same with a length that the graph does not know."""
    unknown = tf.TensorSpec([None] * x.shape.rank, x.dtype)
    if function is offset_window:  # a weight: its shape is always known
        unknown = tf.TensorSpec(x.shape, x.dtype)
    traced = tf.function(
        function, input_signature=[unknown, tf.TensorSpec([], tf.int32)]
    )
    return traced(x, tf.constant(length))


both = pytest.mark.parametrize("run", [_static, _dynamic])
lengths = pytest.mark.parametrize("length", LENGTHS)


@both
@lengths
@pytest.mark.parametrize("max_distance", [1, 2, 5, 9])
def test_window_has_a_row_per_offset_and_repeats_the_ends(
    max_distance, length, run
):
    table = _random(2 * max_distance - 1, 3)
    window = run(offset_window, table, length)
    assert window.shape == (2 * length, 3)
    for row, offset in enumerate(range(-(length - 1), length)):
        nearest = np.clip(offset, 1 - max_distance, max_distance - 1)
        np.testing.assert_array_equal(
            window[row], table[nearest + max_distance - 1]
        )


@both
def test_gradient_of_the_window_sums_what_shares_a_row(run):
    table = _random(3, 2)  # offsets -1, 0, 1
    with tf.GradientTape() as tape:
        tape.watch(table)
        window = run(offset_window, table, 4)  # offsets -3..3
        loss = tf.reduce_sum(window[:7])
    gradient = tape.gradient(loss, table)
    np.testing.assert_array_equal(gradient, [[3, 3], [1, 1], [3, 3]])


@lengths
def test_reversed_window_reads_offsets_with_the_other_sign(length):
    window = _random(2 * length, 3)
    reverse = reverse_offsets(window)
    middle = length - 1
    for offset in range(-middle, length):
        np.testing.assert_array_equal(
            reverse[middle + offset], window[middle - offset]
        )
    assert reverse.shape == window.shape


@lengths
@pytest.mark.parametrize("span", [None, 1, 3, 99])
def test_pairs_inside_counts_what_band_and_map_allow(length, span):
    expected = np.zeros((length, 2 * length))
    allowed = np.zeros((length, length), bool)
    for query, key in np.ndindex(length, length):
        if span is None or abs(key - query) <= (span - 1) / 2:
            expected[query, key - query + length - 1] = 1
            allowed[query, key] = True
    np.testing.assert_array_equal(pairs_inside(length, span), expected)
    if span is not None:
        np.testing.assert_array_equal(band(length, span), allowed)


@both
@lengths
def test_offsets_to_keys_equals_loops(length, run):
    x = _random(2, 3, length, 2 * length)
    keys = run(offsets_to_keys, x, length)
    assert keys.shape == (2, 3, length, length)
    for query, key in np.ndindex(length, length):
        np.testing.assert_array_equal(
            keys[:, :, query, key], x[:, :, query, key - query + length - 1]
        )


@both
@lengths
def test_keys_to_offsets_equals_loops(length, run):
    x = _random(2, 3, length, length)
    expected = np.zeros((2, 3, length, 2 * length), np.float32)
    for query, key in np.ndindex(length, length):
        offset = key - query + length - 1
        expected[:, :, query, offset] = x[:, :, query, key]
    np.testing.assert_array_equal(run(keys_to_offsets, x, length), expected)


@both
@lengths
@pytest.mark.parametrize("function", [offsets_to_keys, keys_to_offsets])
def test_gradients_are_those_of_the_linear_map(function, length, run):
    """Against the matrix of the map, which loops above have checked."""
    wide = {offsets_to_keys: 2 * length, keys_to_offsets: length}[function]
    entries = length * wide
    units = tf.reshape(tf.eye(entries), [entries, 1, length, wide])
    matrix = tf.reshape(function(units, length), [entries, -1])
    x = _random(2, 3, length, wide)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = run(function, x, length)
        probe = _random(*y.shape, seed=4)
        loss = tf.reduce_sum(y * probe)
    expected = tf.reshape(probe, [6, -1]) @ tf.transpose(matrix)
    np.testing.assert_array_equal(
        tape.gradient(loss, x), tf.reshape(expected, x.shape)
    )


def test_second_gradients_exist():
    """A penalty on gradients differentiates them once more."""
    x = _random(1, 1, 3, 6)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss = tf.reduce_sum(offsets_to_keys(x, 3) ** 3)
        penalty = tf.reduce_sum(inner.gradient(loss, x) ** 2)
    read = keys_to_offsets(tf.ones([1, 1, 3, 3]), 3)
    np.testing.assert_allclose(
        outer.gradient(penalty, x), 36 * x**3 * read, rtol=1e-5
    )
