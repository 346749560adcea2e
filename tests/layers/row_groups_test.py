"""Inference of maps too large for all their rows at once."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers import axial_lines
from tests.layers.plain_case import build_ours, inputs

SHAPE = (2, 7, 26)


@pytest.fixture
def few_rows(monkeypatch):
    """Three rows of the map at a time."""
    monkeypatch.setattr(
        axial_lines, "_MAPS_BYTES", 3 * 2 * 26 * 16 * axial_lines._MAPS * 4
    )


@pytest.mark.parametrize("axis", ["height", "width"])
@pytest.mark.parametrize("span", [None, 5])
def test_groups_of_rows_equal_all_at_once(axis, span, request):
    layer, x = build_ours(10**9, span=span, axis=axis), inputs(*SHAPE)
    expected = layer(x)
    request.getfixturevalue("few_rows")
    count = x.shape[axial_lines.ACROSS[axis]]
    assert 1 <= axial_lines.rows_at_once(x, axis, 16) < count
    sizes = tf.TensorSpec([None, None, None, x.shape[-1]])
    unknown = tf.function(layer, input_signature=[sizes])
    for actual in (layer(x), unknown(x)):
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_gradients_pass_through_groups(request):
    layer, x = build_ours(10**9, axis="height"), inputs(*SHAPE)
    weights = [layer.qkv_kernel, layer.query_position, layer.output_norm.beta]

    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, weights)

    expected = gradients()
    request.getfixturevalue("few_rows")
    for actual, wanted in zip(tf.function(gradients)(), expected, strict=True):
        largest = np.abs(wanted).max()
        assert largest > 0
        np.testing.assert_allclose(actual, wanted, atol=1e-5 * largest)
