import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.relative_position import (
    gather_rows,
    offset_window,
    rows_by_pair,
    rows_inside,
    sum_ranges,
    sum_rows,
)


def _random(*shape, seed=3):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.normal(size=shape), tf.float32)


def _static(function, *numbers):
    return function(*numbers)


def _dynamic(function, *numbers):
    """The same with numbers that the graph does not know."""
    return tf.function(function)(*(tf.constant(n) for n in numbers))


both = pytest.mark.parametrize("run", [_static, _dynamic])
lengths = pytest.mark.parametrize("length", [1, 2, 3, 7])

ROWS = tf.constant([[0, 2, 2], [4, 0, 2]])


def test_gather_rows_equals_loops():
    table = _random(5, 3)
    gathered = gather_rows(table, ROWS)
    assert gathered.shape == (2, 3, 3)
    for place in np.ndindex(2, 3):
        np.testing.assert_array_equal(gathered[place], table[ROWS[place]])


def test_sum_rows_equals_loops():
    x, expected = _random(2, 3, 4), np.zeros((6, 4), np.float32)
    for place in np.ndindex(2, 3):
        expected[ROWS[place]] += x[place]
    np.testing.assert_allclose(sum_rows(x, ROWS, 6), expected, rtol=1e-6)


@pytest.mark.parametrize("known", [True, False])
def test_gradient_of_gathered_rows_is_dense_and_sums_what_shares_a_row(known):
    table, probe = tf.Variable(_random(5, 3)), _random(2, 3, 3, seed=4)

    @tf.function(input_signature=[tf.TensorSpec([5 if known else None, 3])])
    def read(table):
        return gather_rows(table, ROWS)

    with tf.GradientTape() as tape:
        rows = gather_rows(table, ROWS) if known else read(table)
        loss = tf.reduce_sum(rows * probe)
    gradient = tape.gradient(loss, table)
    assert isinstance(gradient, tf.Tensor)
    np.testing.assert_allclose(gradient, sum_rows(probe, ROWS, 5), rtol=1e-6)


def test_optimizers_see_no_sparse_gradient_of_a_gathered_variable():
    """What `tf.gather` alone would give them."""
    table = tf.Variable(_random(5, 3))
    kinds = []
    for read in (gather_rows, tf.gather):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(read(table, ROWS))
        kinds.append(type(tape.gradient(loss, table)))
    assert issubclass(kinds[0], tf.Tensor)
    assert kinds[1] is tf.IndexedSlices


@pytest.mark.parametrize("max_distance", [1, 2, 5, 9])
def test_window_follows_the_offsets_and_repeats_the_ends(max_distance):
    table = _random(2 * max_distance - 1, 3)
    offsets = [4, -7, -1, 0, 1, 8]
    window = offset_window(table, tf.constant(offsets))
    for row, offset in zip(window, offsets, strict=True):
        nearest = np.clip(offset, 1 - max_distance, max_distance - 1)
        np.testing.assert_array_equal(row, table[nearest + max_distance - 1])


def test_gradient_of_the_window_sums_what_shares_a_row():
    table = tf.Variable(_random(3, 2))  # offsets -1, 0, 1
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(offset_window(table, tf.range(-3, 3)))
    gradient = tape.gradient(loss, table)
    np.testing.assert_array_equal(gradient, [[3, 3], [1, 1], [2, 2]])


@both
@pytest.mark.parametrize(
    ("queries", "keys", "start", "count"),
    [(1, 1, 0, 1), (5, 5, 0, 5), (5, 5, 2, 3), (4, 9, 0, 4), (5, 3, 4, 1)],
)
def test_rows_by_pair_number_the_offsets(queries, keys, start, count, run):
    rows = run(rows_by_pair, queries, keys, start, count)
    assert rows.shape == (count, keys)
    offsets = np.arange(1 - queries, keys)  # row 0: first key, last query
    for place, key in np.ndindex(count, keys):
        assert offsets[rows[place, key]] == key - (start + place)


@both
def test_queries_behind_the_last_have_rows_that_exist(run):
    rows = run(rows_by_pair, 5, 5, 3, 4)  # queries 3, 4 and two more
    assert np.all((rows >= 0) & (rows < 9))
    np.testing.assert_array_equal(rows[:2], rows_by_pair(5, 5, 3, 2))


@both
@lengths
@pytest.mark.parametrize("reach", [None, 0, 1, 99])
def test_rows_inside_are_those_of_allowed_pairs(length, reach, run):
    first, end = run(lambda length: rows_inside(length, reach), length)
    for query in range(length):
        rows = [
            key - query + length - 1
            for key in range(length)
            if reach is None or abs(key - query) <= reach
        ]
        assert list(range(first[query], end[query])) == rows


def test_sums_of_ranges_equal_loops_and_so_do_their_gradients():
    rng = np.random.default_rng(3)
    x = tf.constant(rng.normal(size=(7, 2)), tf.float32)
    probe = tf.constant(rng.normal(size=(3, 2)), tf.float32)
    first, end = tf.constant([0, 2, 3]), tf.constant([7, 5, 4])
    with tf.GradientTape() as tape:
        tape.watch(x)
        sums = sum_ranges(x, first, end)
        loss = tf.reduce_sum(sums * probe)
    of_x = np.zeros((7, 2))
    for i, (start, stop) in enumerate(zip(first, end, strict=True)):
        expected = x.numpy()[start:stop].sum(0)
        np.testing.assert_allclose(sums[i], expected, rtol=1e-5, atol=1e-6)
        of_x[start:stop] += probe[i]
    gradient = tape.gradient(loss, x)
    np.testing.assert_allclose(gradient, of_x, rtol=1e-5, atol=1e-6)
