import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.postprocess.centers import find_centers, suppress_non_maxima
from tests.reference import postprocess as reference


def _coarse_noise(shape, seed):
    """Few distinct values, so that plateaus and equal scores abound."""
    noise = np.random.default_rng(seed).integers(0, 8, shape)
    return (noise / 8).astype(np.float32)


def _places(centers, image):
    valid = centers.valid[image].numpy()
    return [tuple(p) for p in centers.position_px[image].numpy()[valid]]


@pytest.mark.parametrize("kernel_px", [1, 2, 3, 4, 7, 41])
def test_suppression_equals_loops(kernel_px):
    heatmap = _coarse_noise((2, 9, 14), kernel_px)
    peaks = suppress_non_maxima(heatmap, 0.25, kernel_px)
    for image in range(2):
        expected = reference.suppress(heatmap[image], 0.25, kernel_px)
        np.testing.assert_array_equal(peaks[image], expected)
        assert expected.any()


def test_threshold_is_strict():
    heatmap = np.float32([[[0.5, 0, 0, 0.5000001]]])
    peaks = suppress_non_maxima(heatmap, 0.5, 3)
    np.testing.assert_array_equal(peaks, [[[0, 0, 0, np.float32(0.5000001)]]])


def test_plateau_survives_whole():
    heatmap = np.zeros((1, 5, 5), np.float32)
    heatmap[0, 2, 1:4] = 0.7
    peaks = suppress_non_maxima(heatmap, 0.1, 3)
    np.testing.assert_array_equal(peaks, heatmap)


@pytest.mark.parametrize("above_kth", [False, True])
@pytest.mark.parametrize("keep_k", [0, 1, 2, 5, 17, 500])
def test_centers_equal_loops(keep_k, above_kth):
    peaks = _coarse_noise((3, 6, 8), keep_k)
    peaks *= np.float32([1, 0.5, 0])[:, None, None]
    found = find_centers(tf.constant(peaks), keep_k, above_kth)
    for image in range(3):
        expected = reference.centers(peaks[image], keep_k, above_kth)
        assert _places(found, image) == expected
        scores = found.score[image].numpy()
        expected_scores = [peaks[image][place] for place in expected]
        assert scores[: len(expected)].tolist() == expected_scores
        assert not scores[len(expected) :].any()


def test_exactly_k_stay_when_all_scores_are_equal():
    peaks = tf.ones([1, 10, 10])
    found = find_centers(peaks, 7)
    assert _places(found, 0) == [(0, x) for x in range(7)]


def test_unused_places_are_infinitely_far():
    found = find_centers(tf.zeros([1, 2, 2]), 3)
    assert not found.valid.numpy().any()
    assert np.isinf(found.position_px).all()
