import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.chunks import larger, scan_chunks, size_of, smaller
from tests.layers import graph_case


def _inputs(total, axis, seed=3):
    """Two tensors of `total` along `axis`; none of their values is zero."""
    rng = np.random.default_rng(seed)
    sides = [(total, 2), (total, 2, 3)]
    if axis == 1:
        sides = [(2, total), (2, total, 3)]
    one, other = (rng.uniform(1.0, 2.0, side) for side in sides)
    return {"one": tf.constant(one, tf.float32)}, tf.constant(other, tf.float32)


def _by_place(x, start, axis):
    """x times its place along the axis, counted from one."""
    place = tf.cast(start + 1 + tf.range(size_of(x, axis)), tf.float32)
    sides = [1] * len(x.shape)
    sides[axis] = -1
    return x * tf.reshape(place, sides)


def _scan(tensors, size, axis):
    def step(carry, start, chunk):
        total, count = carry
        named, other = chunk
        outputs = {
            "place": _by_place(other, start, axis),
            "shifted": [named["one"] + 1.0],
        }
        return (total + tf.reduce_sum(other), count + 1.0), outputs

    like = {"place": axis, "shifted": [axis]}
    carry = (tf.constant(0.0), tf.constant(0.0))
    return scan_chunks(step, tensors, carry, like, size, axis)


def _static(tensors, size, axis):
    return tf.function(lambda x: _scan(x, size, axis))(tensors)


def _dynamic(tensors, size, axis):
    unknown = tf.nest.map_structure(
        lambda x: tf.TensorSpec(
            [None if i == axis else s for i, s in enumerate(x.shape)]
        ),
        tensors,
    )
    traced = tf.function(
        lambda x, size: _scan(x, size, axis),
        input_signature=[unknown, tf.TensorSpec([], tf.int32)],
    )
    return traced(tensors, tf.constant(size))


@pytest.mark.parametrize("run", [_scan, _static, _dynamic])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("total", "size"), [(1, 1), (6, 2), (7, 3), (7, 1), (5, 5), (5, 4)]
)
def test_equals_the_step_on_the_whole(total, size, axis, run):
    tensors = _inputs(total, axis)
    (carried, count), outputs = run(tensors, size, axis)
    named, other = tensors
    expected = _by_place(other, 0, axis)
    np.testing.assert_array_equal(outputs["place"], expected)
    np.testing.assert_array_equal(outputs["shifted"][0], named["one"] + 1.0)
    np.testing.assert_allclose(carried, tf.reduce_sum(other), rtol=1e-6)
    assert float(count) == -(-total // size)


@pytest.mark.parametrize("axis", [0, 1])
def test_chunks_have_a_known_size_and_end_in_zeros(axis):
    tensors = _inputs(7, axis)
    seen = []

    def step(carry, start, chunk):
        assert chunk[1].shape[axis] == 3
        seen.append((int(start), chunk[1].numpy()))
        return carry, chunk[1]

    scan_chunks(step, tensors, (), axis, 3, axis)
    assert [start for start, _ in seen] == [0, 3, 6]
    last = np.moveaxis(seen[-1][1], axis, 0)
    np.testing.assert_array_equal(last[1:], 0.0)
    first = np.moveaxis(tensors[1].numpy(), axis, 0)
    np.testing.assert_array_equal(last[0], first[6])


@pytest.mark.parametrize("size", [3, 7])
def test_every_tensor_may_have_its_own_axis(size):
    rng = np.random.default_rng(3)
    tensors = {
        "down": rng.normal(size=(7, 2)),
        "across": rng.normal(size=(2, 7)),
    }
    tensors = {name: tf.constant(x, tf.float32) for name, x in tensors.items()}

    def step(carry, _, chunk):
        down, across = chunk["down"], chunk["across"]
        return carry, {
            "down": tf.transpose(across),
            "across": tf.transpose(down),
            "sum": down + tf.transpose(across),
        }

    like = {"down": 0, "across": 1, "sum": 0}
    axis = {"down": 0, "across": 1}
    _, outputs = scan_chunks(step, tensors, (), like, size, axis)
    down, across = tensors["down"], tensors["across"]
    np.testing.assert_array_equal(outputs["down"], tf.transpose(across))
    np.testing.assert_array_equal(outputs["across"], tf.transpose(down))
    np.testing.assert_array_equal(outputs["sum"], down + tf.transpose(across))


def test_one_chunk_needs_no_loop():
    graph = graph_case.nodes(lambda x: _scan(x, 4, 0), _specs(4))
    assert graph_case.loops(graph) == 0


def _specs(total):
    return tf.nest.map_structure(
        lambda x: tf.TensorSpec(x.shape), _inputs(total, 0)
    )


@pytest.mark.parametrize("remainder", [0, 1])
def test_graph_does_not_grow_with_the_chunks(remainder):
    few, many = (
        graph_case.nodes(lambda x: _scan(x, 2, 0), _specs(2 * n - remainder))
        for n in (2, 50)
    )
    assert len(few) == len(many) and graph_case.loops(many) == 1


def test_a_carry_that_changes_its_shape_is_refused():
    def step(carry, _, chunk):
        return tf.concat([carry, carry], 0), chunk

    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        scan_chunks(step, tf.ones([4]), tf.ones([1]), 0, 2)


def test_sizes_stay_numbers_where_they_are_known():
    assert size_of(tf.zeros([2, 5]), 1) == 5
    assert (smaller(2, 3), larger(2, 3)) == (2, 3)

    @tf.function(input_signature=[tf.TensorSpec([None, 5])])
    def compare(x):
        size = size_of(x, 0)
        assert tf.is_tensor(size) and size_of(x, 1) == 5
        return smaller(size, 3), larger(3, size)

    assert [int(x) for x in compare(tf.zeros([4, 5]))] == [3, 4]
    assert [int(x) for x in compare(tf.zeros([2, 5]))] == [2, 3]
