import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers import attention_parts, axial_lines
from axial_deeplab.layers.normalization import NormOptions


def _maps(center):
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(2, 2, 5, 6, 4))
    return list(np.float32(center + 0.1 * noise))


def _norm(**options):
    norm = attention_parts.output_norm(2, 4, NormOptions(**options))
    attention_parts.build_norms(norm)
    return norm


@pytest.mark.parametrize("center", [0.0, 1000.0])
def test_maps_far_from_zero_are_normalised_as_well_as_others(center):
    """An average over keys may vary little around a large number."""
    maps = _maps(center)
    norm = _norm(epsilon=1e-5)
    actual = attention_parts.merge(
        [tf.constant(x) for x in maps], norm, training=True
    )
    exact = np.float64(maps)
    mean, variance = (f(exact, axis=(1, 2, 3)) for f in (np.mean, np.var))
    deviation = np.sqrt(variance + 1e-5)[:, None, None, None]
    expected = (exact - mean[:, None, None, None]) / deviation
    np.testing.assert_allclose(actual, expected.sum(0), atol=2e-5)
    np.testing.assert_allclose(norm.moving_mean, 0.01 * mean, rtol=1e-5)
    np.testing.assert_allclose(
        norm.moving_variance, 0.99 + 0.01 * variance, rtol=1e-6
    )


def test_a_frozen_norm_takes_no_moments():
    maps = _maps(3.0)
    norm = _norm()
    norm.trainable = False
    actual = attention_parts.merge(maps, norm, training=True)
    expected = sum(maps) / np.sqrt(1.0 + norm.options.epsilon)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    np.testing.assert_array_equal(norm.moving_mean, np.zeros((2, 4)))


@pytest.mark.parametrize("width", [1, 9])
def test_a_scale_may_be_in_the_kernel_or_in_the_result(width):
    """Maps of fewer pixels than channels, and of more."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1, 2, width, 6))
    kernel, bias, scale = (rng.normal(size=s) for s in ((6, 5), (5,), (5,)))
    inputs = [tf.constant(y, tf.float32) for y in (x, kernel, bias, scale)]
    expected = x @ kernel * scale + bias
    np.testing.assert_allclose(
        axial_lines.project(*inputs), expected, atol=1e-5
    )


@pytest.mark.parametrize("axis", ["height", "width"])
@pytest.mark.parametrize("step", [1, 2, 3, 9])
def test_every_step_begins_at_the_first_place(axis, step):
    x = np.arange(2 * 5 * 7 * 3).reshape(2, 5, 7, 3)
    there = range(0, x.shape[1 if axis == "height" else 2], step)
    expected = x[:, there] if axis == "height" else x[:, :, there]
    actual = axial_lines.every(tf.constant(x), axis, step)
    np.testing.assert_array_equal(actual, expected)
