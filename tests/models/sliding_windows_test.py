import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.models.sliding_windows import SlidingWindows

_WEIGHTS = np.random.default_rng(0).normal(0, 0.1, (3, 4)).astype(np.float32)


def _model(images):
    """Each window's own mean matters, so that windows disagree."""
    images = tf.cast(images, tf.float32)
    images -= tf.reduce_mean(images, axis=[1, 2], keepdims=True)
    return {keys.SEMANTIC_LOGITS: images @ _WEIGHTS}


def _slow(images, size, stride):
    """The public rule, window by window: clip the end, then move back."""
    _, height, width, _ = images.shape
    total, visits = np.zeros((*images.shape[:3], 4)), np.zeros(images.shape[:3])
    rows = max(height - size + stride - 1, 0) // stride + 1
    columns = max(width - size + stride - 1, 0) // stride + 1
    for row, column in np.ndindex(rows, columns):
        bottom = min(row * stride + size, height)
        right = min(column * stride + size, width)
        place = np.s_[
            :, max(bottom - size, 0) : bottom, max(right - size, 0) : right
        ]
        window = images[place].astype(np.float64)
        total[place] += (window - window.mean((1, 2), keepdims=True)) @ _WEIGHTS
        visits[place] += 1
    assert visits.min() >= 1
    return total / visits[..., None]


def _images(*size):
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "window", "stride"),
    [
        ((2, 20, 31), 8, 6),
        ((1, 8, 14), 8, 6),  # fits exactly
        ((1, 5, 31), 8, 8),  # lower than a window
        ((1, 4, 4), 8, 3),  # one window
        ((1, 9, 9), 8, 1),
    ],
)
@pytest.mark.parametrize("in_graph", [False, True])
def test_logits_equal_the_slow_loop(size, window, stride, in_graph):
    predict = SlidingWindows(4, window, stride).around(_model)
    if in_graph:
        spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
        predict = tf.function(predict, input_signature=[spec])
    images = _images(*size)
    found = predict(tf.constant(images))[keys.SEMANTIC_LOGITS]
    expected = _slow(images, window, stride)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_windows_at_several_scales():
    windows = SlidingWindows(4, 8, 6).around(_model)
    images = tf.constant(_images(1, 17, 13))
    found = MultiScale((1.0, 2.0), flip=True).predict(windows, images)
    total = tf.reduce_sum(found[keys.SEMANTIC_PROBABILITIES], axis=-1)
    np.testing.assert_allclose(total, 1, rtol=1e-5)
    one = MultiScale().predict(windows, images)[keys.SEMANTIC_LOGITS]
    assert np.abs(found[keys.SEMANTIC_LOGITS] - one).max() > 0.1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), "at least 1"),
        ((4, 8, 0), "at least 1"),
        ((4, 8, 9), "must touch"),
    ],
)
def test_bad_numbers_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        SlidingWindows(*arguments)
