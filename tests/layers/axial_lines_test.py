import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers import axial_lines
from axial_deeplab.layers.chunks import sizes_of


def _inputs(*shape, seed=3):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.normal(size=shape), tf.float32)


def _static(function, *inputs):
    return function(*inputs)


def _dynamic(function, *inputs):
    """The same with batch and sizes that the graph does not know."""
    unknown = [
        tf.TensorSpec([None, None, None, x.shape[-1]], x.dtype) for x in inputs
    ]
    return tf.function(function, input_signature=unknown)(*inputs)


both = pytest.mark.parametrize("run", [_static, _dynamic])
axes = pytest.mark.parametrize("axis", ["height", "width"])


@both
@axes
def test_lines_and_places_equal_loops(axis, run):
    x = _inputs(2, 3, 5, 8)  # two heads of depth four
    lines = run(lambda x: axial_lines.by_line(x, axis, 2), x)
    places = run(lambda x: axial_lines.by_place(x, axis, 2), x)
    count, length = (20, 3) if axis == "height" else (12, 5)
    assert lines.shape == (count, length, 4)
    assert places.shape == (length, count, 4)
    for b, h, w, n in np.ndindex(2, 3, 5, 2):
        row, place = (b * 5 + w, h) if axis == "height" else (b * 3 + h, w)
        depths = x[b, h, w, 4 * n : 4 * n + 4]
        np.testing.assert_array_equal(lines[2 * row + n, place], depths)
        np.testing.assert_array_equal(places[place, 2 * row + n], depths)


@both
@axes
@pytest.mark.parametrize("what", ["line", "place"])
def test_maps_come_back(axis, what, run):
    there = getattr(axial_lines, f"by_{what}")
    back = getattr(axial_lines, f"from_{what}s")
    x, like = _inputs(2, 3, 5, 6), _inputs(2, 3, 5, 7)
    again = run(lambda x, like: back(there(x, axis, 3), like, axis, 3), x, like)
    np.testing.assert_array_equal(again, x)


def test_known_sizes_stay_known_and_others_are_read():
    x = _inputs(2, 3, 5, 8)
    assert sizes_of(x) == [2, 3, 5, 8]
    assert axial_lines.by_line(x, "width", 2).shape == (12, 5, 4)
    assert axial_lines.by_place(x, "width", 2).shape == (5, 12, 4)
    read = _dynamic(lambda x: tf.stack(sizes_of(x)), x)
    np.testing.assert_array_equal(read, [2, 3, 5, 8])


@both
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.float16])
def test_projection_multiplies_each_place(dtype, biased, run):
    rng = np.random.default_rng(3)
    # Small whole numbers: exact in half precision too.
    x = rng.integers(-3, 4, (2, 3, 5, 4)).astype(np.float32)
    kernel = rng.integers(-3, 4, (4, 6)).astype(np.float32)
    bias = np.arange(6, dtype=np.float32) if biased else None
    y = run(
        lambda x: axial_lines.project(x, tf.constant(kernel), bias),
        tf.cast(x, dtype),
    )
    assert y.dtype == tf.float32
    for place in np.ndindex(2, 3, 5):
        expected = x[place] @ kernel + (bias if biased else 0.0)
        np.testing.assert_array_equal(y[place], expected)
