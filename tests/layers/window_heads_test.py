import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers import axial_lines
from axial_deeplab.layers.head_ops import HeadOptions
from axial_deeplab.layers.window_heads import (
    WindowHeads,
    cut_windows,
    join_windows,
)
from tests.layers import graph_case
from tests.layers.layer_case import randomize
from tests.layers.layer_inputs import features
from tests.reference import transformer as reference

SHAPE = 2, 5, 7, 12  # no multiples of 3
HEADS = 2


def _heads(window=3, relative="vector", **options):
    layer = WindowHeads(window, HeadOptions(HEADS, relative, **options))
    layer.build(SHAPE)
    randomize(layer)
    return layer


def _key_mask():
    mask = np.random.default_rng(1).uniform(size=SHAPE[:3]) < 0.6
    mask[0, 3:, :3] = False  # a window
    return mask


def _slow(layer, x, mask):
    tables = None
    if layer.relative:
        tables = [layer.row_offsets.numpy(), layer.column_offsets.numpy()]
    side = layer.window or max(SHAPE)
    if mask is None:
        mask = np.ones(SHAPE[:3], bool)
    vector = layer.relative == "vector"
    return reference.windows(x.numpy(), HEADS, side, tables, vector, mask)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("window", "relative"),
    [(3, None), (3, "vector"), (3, "scalar"), (1, "vector"), (None, "vector")],
)
def test_equals_slow_loops(window, relative, masked):
    layer, x = _heads(window, relative), features(*SHAPE)
    mask = _key_mask() if masked else None
    expected = _slow(layer, x, mask)
    mask = tf.constant(mask) if masked else None
    for training in (False, True):
        actual = layer(x, training=training, mask=mask)
        np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("rows", [3, 8])
def test_rows_of_windows_may_come_group_after_group(
    rows, masked, known, monkeypatch
):
    """No memory for maps: every row of windows on its own, and filled up."""
    layer = _heads(relative="scalar")
    x = features(2, rows, 7, 12)
    mask = tf.constant(_key_mask()[:, :1]) if masked else None
    mask = None if mask is None else tf.repeat(mask, rows, axis=1)
    expected = layer(x, mask=mask)
    monkeypatch.setattr(axial_lines, "_MAPS_BYTES", 1)
    assert axial_lines.rows_at_once(x, "width", 12, 3) == 3
    shape = x.shape if known else [None, None, None, 12]
    infer = tf.function(
        lambda x: layer(x, mask=mask), [tf.TensorSpec(shape)], autograph=False
    )
    np.testing.assert_allclose(infer(x), expected, atol=1e-6)


def test_groups_bound_memory_and_the_graph_does_not_grow(monkeypatch):
    """Two rows of windows at a time, of four or of eight."""
    layer, graphs = _heads(), []
    bytes_of_row = 2 * 3 * 7 * (12 + 4 * 3 * HEADS) * axial_lines._MAPS * 4
    monkeypatch.setattr(axial_lines, "_MAPS_BYTES", 2 * bytes_of_row)
    for rows in (12, 24):
        spec = tf.TensorSpec([2, rows, 7, 12])
        graphs.append(graph_case.nodes(layer.call, spec))
    few, many = graphs
    assert len(few) == len(many)
    inside = [
        max(
            np.prod(sides)
            for op, sides in graph_case.sizes(graph)
            if op == "BatchMatMulV2"
        )
        for graph in graphs
    ]
    assert inside[0] == inside[1]


def test_no_place_of_another_window_is_seen():
    layer, x = _heads(), features(*SHAPE).numpy()
    other = x.copy()
    other[:, 3:] = -7.0
    np.testing.assert_array_equal(layer(x)[:, :3], layer(other)[:, :3])
    assert np.all(layer(x)[:, 3:] != layer(other)[:, 3:])


def test_masked_keys_get_no_gradient_and_windows_of_them_are_zero():
    layer, x, mask = _heads(), features(*SHAPE), _key_mask()
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True, mask=tf.constant(mask))
    gradient = tape.gradient(y, x).numpy()
    assert np.all(gradient[..., 4:][~mask] == 0.0)
    assert np.all(np.isfinite(gradient)) and np.any(gradient != 0.0)
    assert np.all(y[0, 3:, :3] == 0.0) and np.all(y[0, :3, :3] != 0.0)


def test_windows_are_cut_and_joined():
    x = features(*SHAPE)
    parts = cut_windows(x, (3, 4))
    assert parts.shape == (2 * 2 * 2, 1, 12, 12)
    np.testing.assert_array_equal(parts[1, 0, 4], x[0, 1, 4])
    np.testing.assert_array_equal(parts[1, 0, 3], tf.zeros(12))  # beyond
    np.testing.assert_array_equal(join_windows(parts, (5, 7), (3, 4)), x)


def test_other_arguments_are_refused():
    with pytest.raises(ValueError, match="`window` must be positive; got 0"):
        WindowHeads(0)
    pairs = tf.ones([2, 5, 7, 7], tf.bool)
    with pytest.raises(ValueError, match=r"bool \[B, H, W\]; got bool"):
        _heads()(features(*SHAPE), mask=pairs)
